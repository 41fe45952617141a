/** Open WebUI's official image, in the version that all figures were measured with. */
export const OPEN_WEBUI_IMAGE = { repository: 'ghcr.io/open-webui/open-webui', tag: '0.12.4' } as const;

/** Port that the image listens on (its Dockerfile, PORT). */
export const IMAGE_PORT = 8080;
