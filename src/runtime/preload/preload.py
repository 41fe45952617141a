"""Entry point of the preload process; PM2 runs this file with Open WebUI's own Python."""

from webui_preload.main import main

if __name__ == "__main__":
    main()
