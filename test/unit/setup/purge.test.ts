import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readInstalled, writeInstalled } from '../../../src/facts/embedded/installed.ts';
import { releaseAccount } from '../../../src/setup/embedded/release-account.ts';
import { purge } from '../../../src/setup/purge/purge.ts';
import { listPurge } from '../../../src/setup/purge/purge-list.ts';
import { Setup } from '../../../src/setup/up/setup.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

// No port of anybody's: the services of these installations do not run.
const PORTS = { postgresPort: 1, valkeyPort: 2 };
const SHARE = 'share/webui-tune';

/** What `up` leaves in a home, roughly, beside `files`. */
function homeWith(files: Record<string, string> = {}, env: Record<string, string> = {}) {
  const home = temporaryFolder({
    [`${SHARE}/up.json`]: JSON.stringify({
      options: {},
      made: { model: 'HOME/hf/hub/models--x', pm2Home: true },
    }),
    [`${SHARE}/venv/bin/python`]: '',
    [`${SHARE}/data/webui.db`]: 'x',
    [`${SHARE}/data/.webui-tune.env`]: 'WEBUI_SECRET_KEY="k"\n',
    [`${SHARE}/services/services.json`]: JSON.stringify(PORTS),
    [`${SHARE}/services/postgres/PG_VERSION`]: '18\n',
    [`${SHARE}/open-webui.env`]: 'WEBUI_NAME=x\n',
    'cache/webui-tune/static/a': '',
    'hf/hub/models--x/refs/main': 'a',
    '.pm2/logs/open-webui-cluster-out-1.log': '',
    ...files,
  });
  const state = join(home, SHARE, 'up.json');
  const made = JSON.parse(readFileSync(state, 'utf8').replace('HOME', home));
  const setup = () =>
    new Setup({
      cwd: home,
      env: {
        PATH: process.env.PATH,
        HOME: home,
        XDG_DATA_HOME: join(home, 'share'),
        XDG_CACHE_HOME: join(home, 'cache'),
        ...env,
      },
    });
  writeFileSync(state, JSON.stringify(made));
  return { home, setup };
}

describe('down --purge', () => {
  const run = async (setup: () => Setup) => {
    const told: string[] = [];
    await purge(setup(), listPurge(setup()), (text) => told.push(text));
    return told;
  };

  it('takes all away but what is the user’s', async () => {
    const { home, setup } = homeWith();
    expect(listPurge(setup()).left).toEqual([join(home, SHARE, 'open-webui.env')]);
    await run(setup);
    expect(readdirSync(home, { recursive: true }).sort()).toEqual([
      'cache',
      'share',
      'share/webui-tune',
      'share/webui-tune/open-webui.env',
    ]);
  });

  it('leaves a data folder of the user’s, its key, and what else is there', async () => {
    const urls = 'DATABASE_URL="postgresql://u:p@127.0.0.1:1/d"\nREDIS_URL="redis://:p@127.0.0.1:2/0"\n';
    const { home, setup } = homeWith({
      [`${SHARE}/open-webui.env`]: 'DATA_DIR=mine/deep\n',
      [`${SHARE}/mine/deep/uploads/a`]: '',
      [`${SHARE}/mine/deep/.webui-tune.env`]: `${urls}WEBUI_SECRET_KEY="k"\n`,
      [`${SHARE}/mine/other`]: '',
    });
    await run(setup);
    const mine = join(home, SHARE, 'mine');
    expect(readdirSync(join(home, SHARE)).sort()).toEqual(['mine', 'open-webui.env']);
    expect(readdirSync(mine)).toEqual(['deep']);
    expect(existsSync(join(mine, 'deep', 'uploads', 'a'))).toBe(true);
    // The services that these led to are gone.
    expect(readFileSync(join(mine, 'deep', '.webui-tune.env'), 'utf8')).toBe('WEBUI_SECRET_KEY="k"\n');
  });

  it.skipIf(process.platform !== 'linux')('waits for what is still on its way out', async () => {
    const { home, setup } = homeWith();
    const cwd = join(home, SHARE, 'services', 'postgres');
    const server = spawn('sleep', ['1'], { cwd, stdio: 'ignore' });
    const ended = once(server, 'exit');
    let atEnd = 0;
    ended.then(() => {
      atEnd = readdirSync(cwd).length;
    });
    await run(setup);
    expect(server.exitCode).toBe(0);
    expect(atEnd).toBe(1);
    expect(existsSync(cwd)).toBe(false);
  });

  it('touches nothing where the user’s data lies among ours', () => {
    const { home, setup } = homeWith({ [`${SHARE}/open-webui.env`]: 'export DATA_DIR="."\n' });
    expect(() => listPurge(setup())).toThrow(
      `DATA_DIR is ${join(home, SHARE)}, which has everything else in it too`,
    );
  });

  it('is not kept from it by files that are damaged', async () => {
    const { home, setup } = homeWith({ [`${SHARE}/services/services.json`]: '{' });
    await run(setup);
    expect(readdirSync(join(home, SHARE))).toEqual(['open-webui.env']);
  });

  it('goes on where it was interrupted, and then finds nothing to do', async () => {
    const { home, setup } = homeWith();
    const state = join(home, SHARE, 'up.json');
    const die = () => {
      throw new Error('killed');
    };
    let deaths = 0;
    for (let isDone = false; !isDone; ) {
      const before = listPurge(setup()).folders.length;
      try {
        await purge(setup(), listPurge(setup()), die);
        isDone = true;
      } catch (error) {
        expect((error as Error).message).toBe('killed');
        deaths += 1;
        // What is to be found again is kept until the end.
        expect(existsSync(state)).toBe(true);
        expect(listPurge(setup()).folders.length).toBeLessThanOrEqual(before);
      }
    }
    expect(deaths).toBeGreaterThan(4);
    expect(existsSync(state)).toBe(false);
    expect(await run(setup)).toEqual([]);
  });
});

describe('the account', () => {
  // Not made here: an account that every system has stands in for it.
  const account = { user: 'nobody', group: 'nogroup' };

  it('goes over to another installation that uses it', async () => {
    const parent = temporaryFolder({ 'a/x': '', 'b/x': '', 'c/x': '' });
    const [mine, theirs, others] = ['a', 'b', 'c'].map((name) => join(parent, name)) as [
      string,
      string,
      string,
    ];
    writeInstalled(mine, { ...PORTS, account, madeAccount: true });
    writeInstalled(theirs, { ...PORTS, account });
    writeInstalled(others, PORTS);
    const word = await releaseAccount(mine, { ...PORTS, account, madeAccount: true }, {});
    expect(word).toBe(`the account nobody stays: ${theirs} uses it`);
    expect(readInstalled(theirs)?.madeAccount).toBe(true);
    expect(readInstalled(others)?.madeAccount).toBeUndefined();
  });

  it('that up has not made is left alone', async () => {
    expect(await releaseAccount(temporaryFolder(), { ...PORTS, account }, {})).toBeUndefined();
    expect(await releaseAccount(temporaryFolder(), PORTS, {})).toBeUndefined();
  });
});
