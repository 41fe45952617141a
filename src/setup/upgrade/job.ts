import { rmSync } from 'node:fs';
import { makePrivateFolder } from '../../base/io/write.ts';
import type { Job } from '../journal/job.ts';
import type { Service } from '../journal/service.ts';
import {
  type BackupPlace,
  backUpDatabase,
  checkBackup,
  type DatabaseBackup,
  restoreBackup,
  wasMigrated,
} from './backup.ts';
import type { PackageChange } from './packages.ts';
import { outageText, type Rehearsed } from './rehearsal.ts';

/** What the journal keeps of an upgrade. */
export interface UpgradeData {
  from: string;
  to: string;
  /** Whether the new one has been installed already, by hand. */
  installed: boolean;
  changes: PackageChange[];
  python: string;
  /** Folder of the virtual environment that a new one takes the place of; undefined: pip changes the packages in place. */
  environment?: string | undefined;
  /** Bytes of packages to download; undefined: none, or nobody says. */
  download?: number | undefined;
  /** Where the backup of the database is kept, and packages that are changed in place. */
  folder: string;
  /** Name of the schema in which the new version is tried; undefined: it is not, or was already. */
  rehearsal?: string | undefined;
  backup?: DatabaseBackup;
}

/** The installation that is upgraded. All but `packages` can only be asked while Open WebUI's packages are whole. */
export interface UpgradeTarget {
  service: Service;
  packages: {
    fetch(data: UpgradeData): Promise<void>;
    /** Puts them where they are used. Until it is done, what is there may be a mixture. */
    install(data: UpgradeData, direction: 'forward' | 'back'): Promise<void>;
    /** Removes those that are not used. */
    clear(data: UpgradeData): Promise<void>;
  };
  /** Throws TuneError where the disks have no room for all of it. */
  requireRoom(data: UpgradeData): Promise<void>;
  rehearsal: {
    run(data: UpgradeData): Promise<Rehearsed>;
    /** Removes what it has made. */
    clear(data: UpgradeData): Promise<void>;
  };
  /** Whether that version serves already. */
  serves(version: string): Promise<boolean>;
  place(): Promise<Omit<BackupPlace, 'folder'>>;
}

/**
 * Upgrades, with an outage: two versions must never serve one database. Everything that can fail without stopping
 * anything comes first.
 */
export function upgradeJob(
  { service, packages, requireRoom, rehearsal, serves, place }: UpgradeTarget,
  what: string,
  tell: (text: string) => void,
): Job<UpgradeData> {
  const placeOf = async ({ folder }: UpgradeData) => ({ ...(await place()), folder });
  return {
    command: 'upgrade',
    what,
    forwardFrom: 'start',
    completeFrom: 'clear',
    steps: [
      {
        name: 'fetch',
        do: async (data) => {
          await checkBackup(await placeOf(data));
          await requireRoom(data);
          makePrivateFolder(data.folder);
          tell(fetching(data));
          await packages.fetch(data);
          return undefined;
        },
        undo: async (data) => {
          await packages.clear(data);
          if (!data.backup) rmSync(data.folder, { recursive: true, force: true });
        },
      },
      {
        name: 'rehearse',
        do: async (data) => {
          if (data.rehearsal === undefined) return undefined;
          tell(`trying ${data.to} on a copy of the data, while ${data.from} serves`);
          const rehearsed = await rehearsal.run(data);
          await rehearsal.clear(data);
          tell(`${data.to} answers: ${rehearsed.asked.join(', ')}`);
          tell(`the outage: ${outageText(rehearsed)}`);
          return { rehearsal: undefined };
        },
        undo: async (data) => {
          if (data.rehearsal !== undefined) await rehearsal.clear(data);
        },
      },
      {
        name: 'stop',
        do: async ({ from }) => {
          tell(`stopping the workers of ${from}: they finish their answers`);
          await service.stop();
          return undefined;
        },
        undo: async ({ from }) => {
          tell(`starting ${from}`);
          // What an interrupted stop has left must not run beside it.
          await service.stop();
          await service.start();
        },
      },
      {
        name: 'save',
        do: async (data) => {
          const backup = await backUpDatabase(await placeOf(data));
          tell(`backup of the database: ${backup.path}`);
          return { backup };
        },
      },
      {
        name: 'install',
        do: async (data) => {
          if (data.installed) return undefined;
          tell(`installing ${data.to}`);
          await packages.install(data, 'forward');
          return undefined;
        },
        undo: async (data) => {
          tell(`putting the packages of ${data.from} back`);
          await packages.install(data, 'back');
        },
      },
      {
        name: 'start',
        do: async ({ to }) => {
          if (await serves(to)) return undefined;
          tell(`starting ${to}: it migrates the database, once`);
          await service.stop();
          await service.start();
          return undefined;
        },
        undo: async (data) => {
          await service.stop();
          if (!data.backup) return;
          const place = await placeOf(data);
          if (!(await wasMigrated(data.backup, place))) {
            tell('the database was not migrated: it stays as it is');
            return;
          }
          tell('putting the database back');
          await restoreBackup(data.backup, place);
        },
      },
      {
        name: 'clear',
        do: async (data) => {
          await packages.clear(data);
          return undefined;
        },
      },
    ],
  };
}

function fetching({ changes, environment, folder }: UpgradeData): string {
  const count = `${changes.length} package(s)`;
  return environment === undefined
    ? `fetching ${count}, and those to go back to: ${folder}`
    : `installing ${count} into a copy of ${environment}`;
}
