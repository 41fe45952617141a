"""Reads, splits and embeds documents outside of the workers: one process for each document, which ends with it.

    take_out     in a worker: hands the app's documents over instead of processing them
    client       in a worker: hands one job over, and waits for its end
    jobs         the jobs on disk; they outlive the worker and the preload process
    dispatch     in the preload process: which job runs when, and what came of it
    line         the order of the jobs (pure)
    helper       the forked process: calls the app's own functions for one job
    limits       its priority, its memory, its time

A worker gives a job a name and a file, tells the preload process the name, and waits. Text, pieces and vectors never
enter the worker. An upload is the preload process's own once its file is there: it goes on when the worker ends, and
where the preload process ends itself, the next one begins it anew.
"""
