"""The preload process: imports Open WebUI once and forks its workers.

    main                  the process from its start to its end
    uvicorn_workers       for ``serve.py`` alone, where nothing is forked: what uvicorn's own workers lack

    forking/              asks and answers on the control socket, and forks
      server                the fork server: one thread, one selector
      control, control_accept
                            the UNIX socket on which the cluster workers ask for workers
      tcp_port              the one TCP socket that all workers accept on
      roster                which worker may be forked when (pure)
    worker/               the forked child
      run, web, drain, channel
                            an ASGI server that drains, and its talk with its supervisor
      accept_in_turn, loads
                            accepts connections in turn with the other workers
      durations             counts how long requests take, and waits for the database
      descriptor_limit      accepts connections only while there are descriptors for them
      capabilities          what systemd lends the preload process, and a worker gives up
      embedding_settings    follows what an administrator has changed through another worker
      echo, trial           tell the doctor how a request arrives, and whether this worker embeds and reads documents
    documents/            processes documents outside of the workers: one process for each, which ends with it
    services/             the database and Redis
      wait, broker          waits until they answer, and asks which engines are local
      watch, outage         notice in a worker that one of them is lost or back, and log one line for each
      live_sockets, saved_answers
                            keep the WebSockets of pages open during an outage, and save answers after it
      dead_connections, lost_redis
                            what drops packets without a word: connections are given up in seconds, calls fail at once
      migration_lock        lets one start at a time migrate a database
    sharing/              what is imported ahead of the forks, and what two processes must not share
      levels                how much can be imported, and what was
      warm                  asks the app for a page, so that workers find its caches filled
      heap                  arranges the heap, so that a worker copies few of the pages that it shares
      identities, descriptors, threads
                            found here, renewed in the child
    models/               finds local models, and fetches missing ones in a process of its own, the only one that uses
                          the network
    shortcuts/            skips work of the app: pings, transactions around reads, patterns of routes, pip, the
                          sessions of other pages, proxies that are not there; and in streams/ most of what a streamed
                          token costs
    static/               compresses the page's hashed files once, and answers for them ahead of the app
    host/                 talks to the process manager: PM2, or systemd

    contract              names and figures that the tuner and the supervisors know too
    settings, envfile     what the ecosystem file and the user's files say
    installed             which Open WebUI is installed (by pip, or as the source tree of its image), and which torch
    run_folder, generation
                          the installation's private folder; folder and lock of this start
    observed              writes down the memory of the preload process, for the next plan
    clock                 keeps people signed in when the clock is set back
    key_digest            notices a new WEBUI_SECRET_KEY
    signals, kernel       names of signals; what a process asks of its kernel
    protocol, log, ask, asgi
                          frames of the control socket; lines of the log; questions to the app itself; types

The package is imported before Open WebUI is, so nothing here may start a thread or open a connection.
"""
