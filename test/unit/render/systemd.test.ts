import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import type { PlanInput } from '../../../src/plan/input.ts';
import { SYSTEMD_HEADER } from '../../../src/render/first-lines.ts';
import { renderUnits } from '../../../src/render/systemd/index.ts';
import { ENV } from '../../../src/runtime/contract.ts';
import { inputOf } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const OPTIONS = { node: '/usr/bin/node', user: 'openwebui' };

/** The settings of each unit by its name; a setting that is there several times has several values. */
function units(overrides: Partial<PlanInput> = {}) {
  const files = renderUnits(makePlan(inputOf(overrides)), OPTIONS);
  const settings = files.map(({ text }) => {
    const lines = text.split('\n').filter((line) => /^[A-Z]\w*=/.test(line));
    return (key: string) =>
      lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  });
  const [target, preload, worker] = settings as [
    (typeof settings)[0],
    (typeof settings)[0],
    (typeof settings)[0],
  ];
  return { files, target, preload, worker };
}

describe('the units of a range', () => {
  const range = { workers: { value: 4, least: 2, from: '--workers 2..4', source: 'flag' } } as const;
  const { files, target } = units(range);
  const text = (name: string) => files.find((file) => file.name === name)?.text ?? '';

  it('start the least, and what adds more', () =>
    expect(target('Wants')).toEqual([
      'open-webui-preload.service open-webui@1.service open-webui@2.service open-webui-scale.service open-webui-workers.path',
    ]));

  it('decide as the user of the services, and let root start and stop', () => {
    expect(text('open-webui-scale.service')).toMatch(/^User=openwebui$/m);
    expect(text('open-webui-scale.service')).toMatch(/^ReadWritePaths=\/run\/open-webui$/m);
    expect(text('open-webui-workers.path')).toMatch(/^PathChanged=\/run\/open-webui\/workers$/m);
    expect(text('open-webui-workers.service')).not.toMatch(/^User=/m);
  });

  it.each([
    ['3', ['start 1', 'start 2', 'start 3', 'stop 4']],
    ['2', ['start 1', 'start 2', 'stop 3', 'stop 4']],
    ['5', []],
    ['1', []],
    ['', []],
    ['x; reboot', []],
  ])('root does what the number %j says', (number, expected) => {
    const folder = temporaryFolder({ workers: `${number}\n` });
    // As systemd reads it (systemd.service(5)): \\" is a quote, and $$ a dollar.
    const [, quoted = ''] = /^ExecStart=\/bin\/sh -c "(.*)"$/m.exec(text('open-webui-workers.service')) ?? [];
    const script = quoted
      .replace(/\\(.)/g, '$1')
      .replaceAll('$$', '$')
      .replace('/run/open-webui/workers', `${folder}/workers`);
    const printing = `systemctl() { echo "$2 $3"; }; ${script}`;
    const output = execFileSync('/bin/sh', ['-c', printing], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = output.split('\n').filter(Boolean);
    expect(lines).toEqual(expected.map((line) => line.replace(' ', ' open-webui@').concat('.service')));
  });
});

describe('renderUnits', () => {
  const { files, target, preload, worker } = units();

  it('has not changed by accident', () => {
    const text = files.map((file) => `# --- ${file.name}\n${file.text}`).join('\n');
    return expect(text).toMatchFileSnapshot('../../fixtures/units.txt');
  });

  it('begins each with the line that we know our files by', () => {
    for (const { text } of files) expect(text.startsWith(`${SYSTEMD_HEADER}\n`)).toBe(true);
  });

  it('wants the preload process and as many workers as the plan has', () =>
    expect(target('Wants')).toEqual([
      'open-webui-preload.service open-webui@1.service open-webui@2.service open-webui@3.service open-webui@4.service',
    ]));

  it('starts what PM2 starts', () => {
    expect(preload('ExecStart')).toEqual(['/venv/bin/python /package/dist/runtime/preload/preload.py']);
    expect(worker('ExecStart')).toEqual(['/usr/bin/node /package/dist/runtime/worker.cjs']);
  });

  it('waits for both to be ready, and stops the workers first', () => {
    expect([preload('Type'), worker('Type')]).toEqual([['notify'], ['notify']]);
    expect(worker('After')).toEqual(['open-webui-preload.service']);
    expect([preload('PartOf'), worker('PartOf')]).toEqual([['open-webui.target'], ['open-webui.target']]);
  });

  it('lets workers outlive the preload process, and their temporary files too', () => {
    expect(preload('KillMode')).toEqual(['process']);
    expect(preload('RuntimeDirectoryPreserve')).toEqual(['yes']);
    expect(preload('PrivateTmp')).toEqual([]);
  });

  it('does not start again what cannot boot', () => {
    expect(preload('RestartPreventExitStatus')).toEqual(['78']);
    expect(worker('RestartPreventExitStatus')).toEqual(['78']);
  });

  it('gives a draining worker its time', () => expect(Number(worker('TimeoutStopSec'))).toBeGreaterThan(60));

  it('tells the runtime what the contract says, with one socket for both', () => {
    const socket = `"${ENV.controlSocket}=/run/open-webui/control.sock"`;
    expect(preload('Environment')).toEqual(expect.arrayContaining([socket, `"${ENV.port}=8080"`]));
    expect(worker('Environment')).toEqual(expect.arrayContaining([socket, 'NODE_APP_INSTANCE=%i']));
  });

  it('takes a capability for a low port only', () => {
    expect(preload('AmbientCapabilities')).toEqual([]);
    expect(preload('CapabilityBoundingSet')).toEqual(['']);
    const low = units({ port: { value: 80, from: '--port 80', source: 'flag' } });
    expect(low.preload('AmbientCapabilities')).toEqual(['CAP_NET_BIND_SERVICE']);
    expect(low.preload('SystemCallFilter')).toEqual(['@system-service', '~@privileged', 'capset']);
    expect(preload('SystemCallFilter')).toEqual(['@system-service', '~@privileged']);
    expect(low.worker('CapabilityBoundingSet')).toEqual(['']);
  });

  // A unit that may not enter the folder that it works in ends with 200/CHDIR, and says nothing.
  it('may enter the folder that it works in, also where all else is outside of homes', () => {
    const { places } = inputOf();
    const atHome = units({ places: { ...places, dataDir: '/home/me/data' }, metricsPort: 9100 });
    for (const { name, text } of atHome.files.filter(({ name }) => name.endsWith('.service'))) {
      expect(text, name).toContain('WorkingDirectory=/home/me/data\n');
      expect(text, name).toContain('ProtectHome=read-only\n');
    }
    expect(atHome.files).toHaveLength(4);
  });

  it('reads homes only where something is in one', () => {
    expect(preload('ProtectHome')).toEqual(['yes']);
    const { places } = inputOf();
    const atHome = units({ places: { ...places, dataDir: '/home/me/data' } });
    expect(atHome.preload('ProtectHome')).toEqual(['read-only']);
    expect(atHome.preload('ReadWritePaths')[0]).toContain('/home/me/data');
  });

  it('holds no secret', () => {
    const secret = { value: 'hunter2', source: 'environment', secret: true } as const;
    const { files: all } = units({ settings: new Map([['OPENAI_API_KEY', secret]]) });
    expect(all.map(({ text }) => text).join()).not.toContain('hunter2');
  });

  it('refuses what PM2 alone runs', () =>
    expect(() => renderUnits(makePlan(inputOf({ runtime: 'uvicorn' })), OPTIONS)).toThrow(
      '--runtime uvicorn',
    ));

  it('keeps each value on its line', () => {
    const { preload: hostile } = units({ settings: settingsOf({ WEBUI_NAME: 'a "b" 100%\n$HOME\\' }) });
    expect(hostile('Environment')).toContain('"WEBUI_NAME=a \\"b\\" 100%%\\x0a$HOME\\\\"');
  });
});

describe('the unit that serves metrics', () => {
  it('is there where they are asked for, and wanted by the target', () => {
    const { files, target } = units({ metricsPort: 9464 });
    expect(files.map(({ name }) => name)).toContain('open-webui-metrics.service');
    expect(target('Wants')[0]).toMatch(/ open-webui-metrics\.service$/);
    const text = files.find(({ name }) => name === 'open-webui-metrics.service')?.text ?? '';
    expect(text).toContain('ExecStart=/usr/bin/node /package/dist/runtime/metrics.cjs\n');
    expect(text).toContain(`Environment="${ENV.metricsPort}=9464"\n`);
    expect(text).toContain('RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n');
    expect(units().files).toHaveLength(3);
  });
});
