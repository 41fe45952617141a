import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { followPreload } from '../../../src/setup/up/preload-log.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('what the preload process says', () => {
  it('is its own last line since it was started', () => {
    const home = temporaryFolder();
    mkdirSync(join(home, 'logs'));
    const out = join(home, 'logs', 'open-webui-preload-out.log');
    appendFileSync(out, '[preload] of another day\n');
    const log = followPreload(home);
    expect(log.lastWord()).toBeUndefined();
    appendFileSync(out, '[preload] importing Open WebUI 0.12.4\nINFO something of its own\n');
    expect(log.lastWord()).toBe('importing Open WebUI 0.12.4');
    appendFileSync(join(home, 'logs', 'open-webui-preload-error.log'), 'Traceback\n');
    expect(log.lastWord()).toBe('importing Open WebUI 0.12.4');
    appendFileSync(out, '[preload] Open WebUI 0.12.4, generation ab: preloaded app (why); 12 ids\n');
    expect(log.lastWord()).toBe('Open WebUI is loaded; the first worker starts');
  });
});
