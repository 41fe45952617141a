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
                            takes new connections in turn with the other workers
      descriptor_limit      takes connections only while there are descriptors for them
      capabilities          what systemd lends the preload process, and a worker gives up
      echo, trial           tell the doctor how a request arrives, and whether this worker embeds and reads documents
    services/             the database and Redis
      wait, broker          waits until they answer, and asks which engines are local
      watch, outage         notice in a worker that one of them is lost or back; one line each
      live_sockets          keeps pages' WebSockets over an outage
      migration_lock        one start at a time migrates a database, wherever the others run
    sharing/              what is imported ahead of the forks, and what two processes must not share
      levels                how much can be imported, and what was
      identities, descriptors, threads
                            found here, renewed in the child
    models/               whether local models are on this machine, and how they get here; the only part that goes
                          to the network, and that in a process of its own
    shortcuts/            what a worker spares the app: pings, transactions around reads, patterns of routes, pip
    static/               the page's hashed files: compressed once, mapped, answered ahead of the app
    host/                 what the process manager is told: PM2, or systemd

    settings, envfile     what the ecosystem file and the user's files say
    installed             which Open WebUI it is: of pip, or the source tree in its own image; which build of torch
    run_folder, generation
                          the installation's private folder; folder and lock of this start
    observed              keeps what the preload process takes, for the next plan
    key_digest            notices another WEBUI_SECRET_KEY than that of the last start
    protocol, log, ask, asgi
                          frames of the control socket; lines of the log; questions to the app itself; types

The package is imported before Open WebUI is, so nothing here may start a thread or open a connection.
"""
