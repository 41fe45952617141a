import { createColors } from 'picocolors';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startProgress } from '../../../src/base/io/progress.ts';

describe('the progress', () => {
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
    progress.tell({ step: 'serving', text: 'start the workers' });
    vi.advanceTimersByTime(9_999);
    expect(written).toEqual([]);
    vi.advanceTimersByTime(1);
    progress.tell({ step: 'serving', text: 'importing' });
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
    progress.tell({ step: 'model', text: 'a text that is too long' });
    vi.advanceTimersByTime(1_000);
    progress.end();
    expect(written).toEqual(['\r\u001b[Kmodel: a text that ', '\r\u001b[Kmodel: a text (1 s)', '\r\u001b[K']);
  });

  it('has a bar where the share is known, and then a line for each new thing where nobody watches', () => {
    const seen = start({ isTTY: true, columns: 40 });
    seen.progress.tell({ text: 'half of all that there is to do', share: 0.5 });
    expect(seen.written).toEqual([`\r\u001b[K${'█'.repeat(12)}${'░'.repeat(12)} half of all th`]);
    seen.progress.end();
    const { written, progress } = start({});
    progress.tell({ text: 'one', share: 0 });
    vi.advanceTimersByTime(30_000);
    progress.tell({ text: 'two', share: 0.5 });
    progress.tell({ text: 'two', share: 0.6 });
    expect(written).toEqual(['  one\n', '  two (30 s)\n']);
  });

  it('knows since when each of two steps is done that are done beside each other', () => {
    const { written, progress } = start({});
    for (const share of [0.1, 0.2]) {
      progress.tell({ step: 'tables', text: `${share}`, share });
      vi.advanceTimersByTime(1_000);
      progress.tell({ step: 'vectors', text: `${share}`, share });
      vi.advanceTimersByTime(1_000);
    }
    progress.end('vectors');
    progress.tell({ step: 'tables', text: 'more', share: 0.3 });
    progress.tell({ step: 'vectors', text: 'again', share: 0.1 });
    expect(written).toEqual([
      ...['  tables: 0.1\n', '  vectors: 0.1\n', '  tables: 0.2 (2 s)\n', '  vectors: 0.2 (2 s)\n'],
      ...['  tables: more (4 s)\n', '  vectors: again\n'],
    ]);
  });
});
