import { EXIT, TuneError } from '../errors.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** PM2's own script for the system's boot, and the list of what it starts then. */
export function bootStep(setup: Setup): Step {
  return {
    name: 'boot',
    check: async () => {
      if (!setup.given.startup)
        return setup.remembered.startup ? 'PM2 brings it back' : 'not asked for (--startup)';
      return setup.remembered.startup ? 'PM2 brings it back' : undefined;
    },
    describe: () => 'have PM2 write its boot script (pm2 startup), and save what it runs (pm2 save)',
    run: async () => {
      const pm2 = await setup.pm2();
      await pm2.run('save', '--force');
      const { code, output } = await pm2.attempt('startup');
      const command = /^\s*(sudo env .+)$/m.exec(output)?.[1];
      if (code !== 0 && command !== undefined) {
        throw new TuneError('only root can write the boot script; all else is done', EXIT.service, [
          command,
          'then: webui-tune up --startup',
        ]);
      }
      if (code !== 0) {
        throw new TuneError(
          `pm2 startup failed:\n${output.trim().split('\n').slice(-10).join('\n')}`,
          EXIT.service,
        );
      }
      setup.remember({ startup: true });
      return 'PM2 brings it back';
    },
  };
}
