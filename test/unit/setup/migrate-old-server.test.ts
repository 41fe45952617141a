/** What has the old database open, and how it is stopped. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { holdersOf } from '../../../src/base/machine/processes.ts';
import {
  findHolders,
  isManaged,
  nameOf,
  serversOf,
  stopCommand,
} from '../../../src/setup/migrate/old-server.ts';
import { requireManaged } from '../../../src/setup/migrate/stop-old.ts';
import type { Pm2Process } from '../../../src/setup/pm2/client.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const ID = '0123456789ab'.padEnd(64, 'c');

const app = (name: string, pid: number): Pm2Process => ({
  name,
  pid,
  pm_id: pid,
  pm2_env: { status: 'online', restart_time: 0, axm_monitor: {} },
});
const holder = (cgroup: string, ancestors: number[] = [], pid = 7) => ({
  pid,
  command: 'python -m uvicorn open_webui.main:app',
  ancestors,
  cgroup,
});

describe('who has a file open', () => {
  it('is found by the file, not by its path', () => {
    const folder = temporaryFolder({ 'webui.db': 'data', other: 'data' });
    const file = openSync(join(folder, 'webui.db'), 'r');
    try {
      const pids = (name: string) => holdersOf('/', [join(folder, name)]).map(({ pid }) => pid);
      expect(pids('webui.db')).toContain(process.pid);
      expect(pids('other')).toEqual([]);
      expect(pids('missing')).toEqual([]);
    } finally {
      closeSync(file);
    }
  });

  it('is never ourselves', () => {
    const folder = temporaryFolder({ 'webui.db': 'data' });
    const file = openSync(join(folder, 'webui.db'), 'r');
    expect(findHolders(join(folder, 'webui.db'))).toEqual([]);
    closeSync(file);
  });
});

describe('the old server', () => {
  it.each([
    ['0::/system.slice/open-webui.service', 'systemctl stop open-webui.service', true],
    [
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/open-webui.service',
      'systemctl --user stop open-webui.service',
      true,
    ],
    [`0::/system.slice/docker-${ID}.scope`, 'docker stop 0123456789ab', false],
    [`12:pids:/docker/${ID}\n11:cpu:/docker/${ID}`, 'docker stop 0123456789ab', false],
    ['0::/user.slice/user-0.slice/session-3.scope', 'kill 7', false],
    // Whatever is started by hand there.
    ['0::/system.slice/ssh.service', 'kill 7', false],
    ['', 'kill 7', false],
  ])('in %s is stopped by %s', (cgroup, command, managed) => {
    const servers = serversOf([holder(cgroup)], []);
    expect(servers.map(stopCommand)).toEqual([command]);
    expect(servers.map(isManaged)).toEqual([managed]);
    const require = () => requireManaged(servers, '/data/webui.db');
    if (managed) expect(require).not.toThrow();
    else expect(require).toThrow(`${servers.map(nameOf)} has /data/webui.db open, and only you can stop it`);
  });

  it('is the app of PM2 that it descends from, also where systemd started PM2', () => {
    const servers = serversOf(
      [holder('0::/system.slice/pm2-root.service', [30, 20, 10])],
      [app('mine', 20), app('other', 40)],
    );
    expect(servers).toEqual([{ kind: 'pm2', apps: ['mine'] }]);
  });

  it('of ours is all of it, in the order of its start: supervisors hold nothing, and start workers again', () => {
    const servers = serversOf(
      [holder('', [11]), holder('', [11], 8)],
      [app('open-webui', 12), app('open-webui-preload', 11), app('open-webui-valkey', 13)],
    );
    expect(servers).toEqual([{ kind: 'pm2', apps: ['open-webui-preload', 'open-webui'] }]);
    expect(servers.map(stopCommand)).toEqual(['pm2 stop open-webui open-webui-preload']);
  });

  it('counts once, whatever the number of its processes', () => {
    const unit = '0::/system.slice/open-webui.service';
    expect(serversOf([holder(unit), holder(unit, [], 8), holder('', [], 9)], [])).toHaveLength(2);
  });
});
