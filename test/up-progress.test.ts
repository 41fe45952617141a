import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createColors } from 'picocolors';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { foundLines } from '../src/setup/up/found.ts';
import { followPreload } from '../src/setup/up/preload-log.ts';
import { startProgress } from '../src/setup/up/progress.ts';
import { temporaryFolder } from './temporary.ts';

describe('the progress of a step', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const start = (stream: { isTTY?: boolean; columns?: number }) => {
    const written: string[] = [];
    const terminal = { err: (text: string) => void written.push(text), colors: createColors(false) };
    return { written, progress: startProgress(terminal, stream) };
  };

  it('is a line every ten seconds where nobody watches, whether or not anything is said', () => {
    const { written, progress } = start({});
    progress.tell('serving', 'start the workers');
    vi.advanceTimersByTime(9_999);
    expect(written).toEqual([]);
    vi.advanceTimersByTime(1);
    progress.tell('serving', 'importing');
    vi.advanceTimersByTime(20_000);
    expect(written).toEqual([
      '  serving: start the workers (10 s)\n',
      '  serving: importing (20 s)\n',
      '  serving: importing (30 s)\n',
    ]);
    progress.end();
    vi.advanceTimersByTime(60_000);
    expect(written).toHaveLength(3);
  });

  it('is one line that is written over on a terminal, and not longer than it is wide', () => {
    const { written, progress } = start({ isTTY: true, columns: 20 });
    progress.tell('model', 'a text that is too long');
    vi.advanceTimersByTime(1_000);
    progress.end();
    expect(written).toEqual(['\r\u001b[Kmodel: a text that ', '\r\u001b[Kmodel: a text (1 s)', '\r\u001b[K']);
  });
});

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

describe('services that are found', () => {
  const found = { postgres: '127.0.0.1:5432', redis: 'redis://127.0.0.1:6379/0' };

  it('are named, each with the option that would use it', () => {
    const [postgres, redis] = foundLines(found, false);
    expect(postgres).toContain('DATABASE_URL=postgresql://user:password@127.0.0.1:5432/database');
    expect(redis).toContain('--use-found');
    expect(foundLines(found, true)[1]).toContain('will be used');
    expect(foundLines({}, true)).toEqual([]);
  });
});
