"""The local models that a worker's start-up loads: whether they are on this machine, and how they get there.

    cache        looks a model up in the Hugging Face cache; files alone, no network
    fetch        a program: fetches models into that cache, with time limits of its own
    hub, files   what that program asks the hub for, and which files it takes
    attempt      one run of it, as its parent sees it
    supply       the preload process's part: starts that program, decides what the workers start with, tries again
    state        the file that `webui-tune status` and `doctor` read, and the line for the log
    offline      keeps Hugging Face's libraries, and the start-up of the app, from asking the network

Only that program uses the network. So neither a name server nor a slow answer can hold up the preload process, and no
thread or connection is left in it.
"""
