/** PM2 that is installed where there is none: the one that everything is tested with. */
export const PM2_VERSION = '7.0.4';
