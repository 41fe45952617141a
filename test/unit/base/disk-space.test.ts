import { describe, expect, it } from 'vitest';
import { requireDiskSpace } from '../../../src/base/io/disk-space.ts';
import { GIB } from '../../../src/base/units.ts';

describe('room on the disk', () => {
  it('is asked for before anything is written', () => {
    expect(() => requireDiskSpace('/data', 5 * GIB, 'Open WebUI', 3 * GIB)).toThrow(
      'Open WebUI needs 5,120 MiB of disk, and /data has 3,072 MiB left',
    );
    expect(() => requireDiskSpace('/data/not/yet/there', 1, 'it')).not.toThrow();
  });
});
