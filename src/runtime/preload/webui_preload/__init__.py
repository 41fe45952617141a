"""The preload process: imports Open WebUI once and forks its workers.

    settings, envfile     what the ecosystem file and the user's files say
    installed             which Open WebUI it is: of pip, or the source tree in its own image; which build of torch
    services, broker      waits for the database and Redis, asks which engines are local
    run_folder            the installation's private folder
    generation            folder and lock of this start; never two versions on one database
    migration_lock        one start at a time migrates a database, wherever the others run
    levels, local_models  how much can be imported ahead of the forks, and what was; embedding and reranking models
    models/               whether those models are on this machine, and how they get here; the only part that goes
                          to the network, and that in a process of its own
    identities, descriptors, threads
                          what must not be shared by two processes: found here, renewed in the child
    capabilities          what systemd lends the preload process, and a worker gives up
    control, protocol, acceptor
                          the UNIX socket on which the cluster workers ask for workers
    listener              the one TCP socket that all workers accept on
    roster                which worker may be forked when (pure)
    host, pm2             what the process manager is told: PM2, or systemd
    main, server          the process itself
    worker, web, drain, channel
                          the forked child: an ASGI server that drains, and its talk with its supervisor
    accepting, loads      takes new connections in turn with the other workers
    admission             takes connections only while there are descriptors for them
    static_cache, static_pack, static_files
                          the page's hashed files: compressed once, mapped, answered ahead of the app
    shortcuts, round_trips, psycopg_wait, route_index
                          what a worker spares the app: pings, transactions around reads, tasks, patterns of routes
    requirements          a worker's start-up installs only those packages of functions that are missing
    echo, trial           tell the doctor how a request arrives, and whether this worker embeds and reads documents
    observed              keeps what the preload process takes, for the next plan
    key_digest            notices another WEBUI_SECRET_KEY than that of the last start
    ask                   asks the app itself
    watch, outage         notice in a worker that Redis or the database is lost or back; one line each
    uvicorn_workers       for ``serve.py`` alone, where nothing is forked: what uvicorn's own workers lack

The package is imported before Open WebUI is, so nothing here may start a thread or open a connection.
"""
