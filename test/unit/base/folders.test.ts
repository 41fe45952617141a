import { describe, expect, it } from 'vitest';
import { controlSocket, dataHome } from '../../../src/base/io/folders.ts';

describe('folders', () => {
  it('respects XDG_DATA_HOME', () => {
    expect(dataHome({ XDG_DATA_HOME: '/x' }, '/home/u')).toBe('/x/webui-tune');
    expect(dataHome({ XDG_DATA_HOME: 'x' }, '/home/u')).toBe('/home/u/.local/share/webui-tune');
    expect(dataHome({}, '/home/u')).toBe('/home/u/.local/share/webui-tune');
  });

  it('has one socket for each data folder, short enough for the kernel', () => {
    const socket = controlSocket('/data', {}, '/home/u');
    expect(socket).toMatch(/^\/home\/u\/\.local\/share\/webui-tune\/run\/[0-9a-f]{8}\/control\.sock$/);
    expect(controlSocket('/data2', {}, '/home/u')).not.toBe(socket);
    const long = controlSocket('/data', {}, `/home/${'ü'.repeat(40)}`);
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(100);
    expect(long).toMatch(/webui-tune-\d+-[0-9a-f]{8}\/control\.sock$/);
  });
});
