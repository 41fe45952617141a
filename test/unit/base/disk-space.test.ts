import { describe, expect, it } from 'vitest';
import { requireDiskSpace, requireSpace } from '../../../src/base/io/disk-space.ts';
import { GIB } from '../../../src/base/units.ts';

describe('room on the disk', () => {
  it('is asked for before anything is written', () => {
    expect(() => requireDiskSpace('/data', 5 * GIB, 'Open WebUI', 3 * GIB)).toThrow(
      'Open WebUI needs 5,120 MiB of disk, and /data has 3,072 MiB left',
    );
    expect(() => requireDiskSpace('/data/not/yet/there', 1, 'it')).not.toThrow();
  });

  it('is asked for all that goes to one disk', () => {
    const needs = [
      { path: '/a/copies', bytes: 60 << 20, what: 'the copies' },
      { path: '/a/database', bytes: 50 << 20, what: 'the new database' },
      { path: '/b', bytes: 500 << 20, what: 'the files' },
    ];
    const disks = (free: number) => ({
      disk: (path: string) => path.slice(0, 2),
      free: (path: string) => (path.startsWith('/a') ? free : 1 << 30),
    });
    const withFree = (free: number) => () => requireSpace('the migration', needs, ['free some'], disks(free));
    expect(withFree(100 << 20)).toThrow(
      'has 100 MiB left, and the migration needs 110 MiB: 60 MiB for the copies, 50 MiB for the new database',
    );
    expect(withFree(110 << 20)).not.toThrow();
  });
});
