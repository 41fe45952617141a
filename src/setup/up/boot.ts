import { userInfo } from 'node:os';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { commandForRoot, findBootScript } from '../pm2/boot-script.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** PM2's own script for the system's boot, and the list of what it starts then. */
export function bootStep(setup: Setup): Step {
  const { home } = setup;
  const script = () => {
    const found = findBootScript(setup.plainPm2().home, home);
    return found?.isEnabled ? found.path : undefined;
  };
  return {
    name: 'boot',
    check: async () => {
      if (!setup.given.startup && !setup.remembered.startup) return 'not requested (--startup)';
      const path = script();
      return setup.remembered.startup && path !== undefined ? `PM2 brings it back: ${path}` : undefined;
    },
    describe: () => 'have PM2 write its boot script (pm2 startup), and save what it runs (pm2 save)',
    run: async () => {
      const pm2 = await setup.pm2();
      await pm2.run('save', '--force');
      // As an ordinary user it may be there already, by the command that was printed.
      if (script() === undefined) {
        const isRoot = process.getuid?.() === 0;
        setup.rememberMade({ bootScript: true });
        // PM2 asks $USER, which not every shell of root's has.
        const { code, output } = await pm2.attempt('startup', ...(isRoot ? ['-u', userInfo().username] : []));
        if (code !== 0) throw explainStartup(output, pm2.home, home);
      }
      setup.remember({ startup: true });
      return `PM2 brings it back: ${script() ?? 'its boot script is there'}`;
    },
  };
}

/** `pm2 startup` that was refused or failed: what there is to do. */
export function explainStartup(output: string, pm2Home: string, home: string): TuneError {
  const printed = commandForRoot(output);
  if (printed === undefined) {
    return new TuneError(
      `pm2 startup failed:\n${output.trim().split('\n').slice(-10).join('\n')}`,
      EXIT.service,
      ['everything else is done; for systemd’s own units: webui-tune --format systemd'],
    );
  }
  // The printed one knows PM2's usual folder alone.
  const command =
    pm2Home === join(home, '.pm2')
      ? printed
      : printed.replace(/^sudo env /, `sudo env PM2_HOME=${pm2Home} `).replace(/ --hp \S+$/, '');
  return new TuneError('only root can write the boot script; everything else is done', EXIT.service, [
    command,
    'then: webui-tune up --startup',
  ]);
}
