/* First lines of the files that we write. They mark the files that we may overwrite. */

/** First line of the Compose file. */
export const COMPOSE_HEADER = '# Compose file for Open WebUI, made by webui-tune.';

/** First line of the ecosystem file. */
export const HEADER = '// PM2 ecosystem file for Open WebUI, made by webui-tune.';

/** First line of the Helm values. */
export const HELM_HEADER = '# Values for the Helm chart of Open WebUI, made by webui-tune.';

/** First line of each systemd unit. */
export const SYSTEMD_HEADER = '# systemd unit for Open WebUI, made by webui-tune.';
