/**
 * The living form of the ecosystem file: the same apps, sized anew whenever this module is loaded. It takes what
 * `webui-tune` takes without flags; for another port or preset, change the options.
 */
import { appsOf, keepSecrets, tune } from './src/index.ts';

const { plan, secrets } = await tune({});
await keepSecrets(plan.places.secretsFile, secrets);

export default { apps: appsOf(plan) };
