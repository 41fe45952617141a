import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { dataHome } from '../../base/io/folders.ts';
import { isModuleFolder } from '../../base/io/module-type.ts';
import { servicesFolder } from '../../facts/embedded/folder.ts';
import type { Plan } from '../../plan/types.ts';
import { USUAL_NAMES } from '../../render/formats.ts';
import type { TuneOptions } from '../../tune/options.ts';
import { tune } from '../../tune/tune.ts';
import type { Tuned } from '../../tune/tuned.ts';
import { Pm2, type Pm2Process, pm2Environment } from '../pm2/client.ts';
import { findPm2 } from '../pm2/program.ts';
import type { PipOptions } from '../python/pip.ts';
import { checkWheels, offlinePip, type Wheels } from '../python/wheels.ts';
import { mergeOptions, type Remembered, readRemembered, writeRemembered } from './remembered.ts';
import { type Wanted, wantedServices } from './wanted.ts';

/** What `up` takes beside the options of every plan. */
export interface SetupOptions extends TuneOptions {
  adminEmail?: string;
  /** As root: the ordinary account that embedded services run as. */
  serviceUser?: string;
  /** pip index of torch, or `default` for pip’s own. */
  torchIndex?: string;
  /**
   * Folder that `webui-tune fetch` has filled: all that pip installs comes from there. Neither this nor `torchIndex` is
   * remembered: it is often a stick that is not there later, and nothing is read from it once all is installed.
   */
  wheels?: string;
  startup?: boolean;
}

/** The installation of this user: where everything is, and what has been found out about it. */
export class Setup {
  readonly given: SetupOptions;
  readonly env: Environment;
  readonly home: string;
  /** Folder of all that `up` makes, embedded services of root’s aside. */
  readonly folder: string;
  readonly services: string;
  readonly ecosystemFile: string;
  readonly pm2Program: ReturnType<typeof findPm2>;
  /** Whether the interpreter that has Open WebUI is known. Until then nothing can be planned. */
  hasOpenWebui = false;
  /** Whether data of SQLite is being carried to services that are set up beside it. */
  isMigrating = false;
  /** The interpreter of the last run, whose packages were looked at then. */
  readonly knownPython: string | undefined;
  readonly #cwd: string;
  readonly #statePath: string;
  #remembered: Remembered;
  #tuned: Promise<Tuned> | undefined;
  #processes: Promise<Pm2Process[]> | undefined;
  #wheels: Wheels | undefined;

  constructor(given: SetupOptions) {
    this.given = given;
    this.env = given.env ?? process.env;
    this.home = this.env.HOME || homedir();
    this.#cwd = given.cwd ?? process.cwd();
    this.folder = dataHome(this.env, this.home);
    this.services = servicesFolder(this.env, this.home);
    this.ecosystemFile = join(this.folder, USUAL_NAMES[isModuleFolder(this.folder) ? 'cjs' : 'js']);
    this.#statePath = join(this.folder, 'up.json');
    const before = readRemembered(this.#statePath);
    this.knownPython = before.planned && before.options.python;
    this.#remembered = { ...before, options: mergeOptions(before.options, given, this.#cwd) };
    this.pm2Program = findPm2(this.env, this.home);
  }

  get remembered(): Remembered {
    return this.#remembered;
  }

  remember(change: Partial<Remembered>): void {
    this.#remembered = { ...this.#remembered, ...change };
    writeRemembered(this.#statePath, this.#remembered);
  }

  /** Records what is made outside of our own folders, so that `down --purge` finds it. */
  rememberMade(change: NonNullable<Remembered['made']>): void {
    this.remember({ made: { ...this.remembered.made, ...change } });
  }

  get surroundings(): { env: Environment; cwd: string; home: string } {
    return { env: this.env, cwd: this.#cwd, home: this.home };
  }

  /** What is in the folder of `--wheels`; undefined without the option. Throws as requireWheels does. */
  get wheels(): Wheels | undefined {
    this.requireWheels();
    return this.#wheels;
  }

  /** Looks at the folder of `--wheels`, once. Throws TuneError where it lacks something. */
  requireWheels(): void {
    const { wheels } = this.given;
    if (wheels !== undefined) this.#wheels ??= checkWheels(resolve(this.#cwd, wheels));
  }

  /** For each run of pip's. `name` is that of its log. */
  pip(name: string, progress: (text: string) => void): PipOptions {
    const folder = this.wheels?.folder;
    const env = folder === undefined ? this.env : offlinePip(this.env, folder);
    return { env, log: this.log(name), progress, wheels: folder };
  }

  log(name: string): string {
    return join(this.folder, 'logs', `${name}.log`);
  }

  /** What there is, and the plan for it. Asked once until something changes. Throws TuneError. */
  tuned(): Promise<Tuned> {
    this.#tuned ??= tune({
      ...this.remembered.options,
      rotateLogs: true,
      // An env file is looked for beside it.
      out: this.ecosystemFile,
      cwd: this.#cwd,
      env: this.env,
    });
    return this.#tuned;
  }

  /** Which embedded services there are to be. */
  wanted(plan: Plan): Wanted {
    return wantedServices(plan, this.isMigrating);
  }

  /** What PM2 runs; asked once until something has changed. */
  processes(): Promise<Pm2Process[]> {
    // A list needs nothing of PM2's environment but its home, so that it need not wait for a plan.
    this.#processes ??= this.plainPm2().list();
    return this.#processes;
  }

  /** For questions, and for commands that stop something. */
  plainPm2(): Pm2 {
    return new Pm2(this.pm2Program.path, this.env, this.home);
  }

  /** Forgets the answers: something has changed. */
  changed(): void {
    this.#tuned = undefined;
    this.#processes = undefined;
  }

  /** PM2 with an environment that has no settings in it, for commands that start something. */
  async pm2(): Promise<Pm2> {
    const { plan } = await this.tuned();
    const names = plan.settings.filter(({ source }) => source === 'environment').map(({ key }) => key);
    // npx may empty its cache at any time, so PM2 is started from a folder that stays.
    const path = this.pm2Program.copy?.() ?? this.pm2Program.path;
    const pm2 = new Pm2(path, pm2Environment(this.env, names), this.home);
    if (!existsSync(pm2.home)) this.rememberMade({ pm2Home: true });
    return pm2;
  }
}
