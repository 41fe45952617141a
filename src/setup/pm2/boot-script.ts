import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { namesIn, textOf } from '../../base/io/read.ts';

/** What brings PM2 back when the machine boots: written by `pm2 startup`. */
export interface BootScript {
  path: string;
  text: string;
  /** Whether the system runs it. */
  isEnabled: boolean;
}

/** systemd's folder for the administrator's own units. */
const UNITS = '/etc/systemd/system';

/** Where `pm2 startup` writes its scripts, by the init system (pm2/lib/API/Startup.js). */
const FOLDERS = [UNITS, '/etc/init.d', '/etc/rc.d', '/usr/local/etc/rc.d'];

/** What `pm2 startup` and `pm2 unstartup` print for root to run; undefined: nothing. */
export function commandForRoot(output: string): string | undefined {
  return /^\s*(sudo env .+?)\s*$/m.exec(output)?.[1];
}

/** The script for the PM2 of this PM2_HOME; undefined: there is none. `userHome` has launchd's scripts. */
export function findBootScript(pm2Home: string, userHome: string, root = '/'): BootScript | undefined {
  const folders = [...FOLDERS, join(userHome, 'Library', 'LaunchAgents')].map((folder) => join(root, folder));
  for (const folder of folders) {
    for (const name of namesIn(folder)) {
      if (!/^pm2/.test(name)) continue;
      const path = join(folder, name);
      const text = textOf(path);
      if (new RegExp(`${literally(pm2Home)}(?:$|[^\\w./-])`, 'm').test(text)) {
        return { path, text: text + dropInsOf(path), isEnabled: isEnabled(path) };
      }
    }
  }
  return undefined;
}

/** `systemctl enable` makes a link. On other systems a script runs because it exists. */
function isEnabled(path: string): boolean {
  const folder = dirname(path);
  return !folder.endsWith(UNITS) || existsSync(join(folder, 'multi-user.target.wants', basename(path)));
}

/** What `systemctl edit` has added to a unit. */
function dropInsOf(path: string): string {
  const folder = `${path}.d`;
  const names = namesIn(folder).filter((name) => name.endsWith('.conf'));
  return names.map((name) => `\n${textOf(join(folder, name))}`).join('');
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
