/** The PM2 that is installed if there is none: everything is tested with it. */
export const PM2_VERSION = '7.0.4';
