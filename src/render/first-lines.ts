/** First line of the file: by it we know that we may overwrite it. */
export const COMPOSE_HEADER = '# Compose file for Open WebUI, made by webui-tune.';

/** First line of every file that we write: by it we know which ones we may overwrite. */
export const HEADER = '// PM2 ecosystem file for Open WebUI, made by webui-tune.';

/** First line of the file: by it we know that we may overwrite it. */
export const HELM_HEADER = '# Values for the Helm chart of Open WebUI, made by webui-tune.';

/** First line of each file: by it we know that we may overwrite it. */
export const SYSTEMD_HEADER = '# systemd unit for Open WebUI, made by webui-tune.';
