import { describe, expect, it } from 'vitest';
import type { Probe } from '../../../src/facts/openwebui/probe.ts';
import { chooseDataDir } from '../../../src/facts/settings/data-dir.ts';

describe('chooseDataDir', () => {
  const probe = (used: readonly string[]): Probe => ({
    python: '3.11.7',
    executable: '/p',
    package: null,
    variables: [],
    unmet: [],
    package_data: '/site/open_webui/data',
    data: Object.fromEntries(
      used.map((path) => [path, { used: true, stored: null, chroma_rows: 0, secrets: null }]),
    ),
    stored: null,
  });
  const choose = (environment: NodeJS.ProcessEnv, envFile: Record<string, string>, used: string[]) =>
    chooseDataDir({
      environment,
      envFile,
      envFilePath: '/etc/webui/open-webui.env',
      cwd: '/cwd',
      defaultDir: '/home/data',
      probe: probe(used),
    });

  it.each([
    [{ DATA_DIR: '/a' }, { DATA_DIR: '/b' }, '/a', 'environment', 0],
    [{ DATA_DIR: 'a' }, {}, '/cwd/a', 'environment', 0],
    [{}, { DATA_DIR: '/b' }, '/b', 'env file', 0],
    [{}, { DATA_DIR: 'b' }, '/etc/webui/b', 'env file', 1],
    [{}, {}, '/home/data', 'computed', 0],
  ])('%j %j', (environment, envFile, path, source, warnings) => {
    const chosen = choose(environment, envFile, []);
    expect(chosen).toMatchObject({ path, decision: { source } });
    expect(chosen.warnings).toHaveLength(warnings);
  });

  it('stays with data inside of the packages, and warns', () => {
    const { path, warnings } = choose({}, {}, ['/site/open_webui/data']);
    expect(path).toBe('/site/open_webui/data');
    expect(warnings.join()).toContain('an upgrade of Open WebUI can lose it');
  });

  it('stays with its own data once there is some', () => {
    expect(choose({}, {}, ['/site/open_webui/data', '/home/data']).path).toBe('/home/data');
  });
});
