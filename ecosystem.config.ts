/**
 * The living form of the ecosystem file: `pm2 start dist/ecosystem.config.cjs` sizes the cluster anew whenever PM2 reads
 * it. It takes what `webui-tune` takes without flags. For another port or preset, a file of your own says so:
 *
 *   const { sizeApps } = require('webui-tune/ecosystem');
 *   module.exports = { apps: sizeApps({ port: 3000, preset: 'team' }) };
 */
import { sizeApps } from './src/tune/size-apps.ts';

export const apps = sizeApps();
