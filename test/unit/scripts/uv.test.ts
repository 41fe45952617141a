import { describe, expect, it } from 'vitest';
import { fromPip } from '../../../scripts/uv.mjs';

describe('pip’s configuration for uv', () => {
  it('has an index, a mirror, folders of wheels and limits', () => {
    const text = [
      ":env:.find-links='/wheels /more'",
      "global.extra-index-url='file:///one/simple\\n  file:///two/simple'",
      "global.index-url='https://mirror.test/simple'",
      "global.cert='/ca.crt'",
      "install.constraint='/c.txt'",
    ].join('\n');
    expect(fromPip(text)).toEqual({
      UV_FIND_LINKS: '/wheels,/more',
      UV_INDEX: 'file:///one/simple file:///two/simple',
      UV_DEFAULT_INDEX: 'https://mirror.test/simple',
      SSL_CERT_FILE: '/ca.crt',
      UV_CONSTRAINT: '/c.txt',
    });
  });

  it('counts in pip’s order: the environment before the command, before all commands', () => {
    const of = (...lines: string[]) => fromPip(lines.join('\n')).UV_DEFAULT_INDEX;
    const [all, install, env] = [
      "global.index-url='https://all.test'",
      "install.index-url='https://install.test'",
      ":env:.index-url='https://env.test'",
    ];
    expect(of(env, install, all)).toBe('https://env.test');
    expect(of(install, all)).toBe('https://install.test');
    expect(of(all)).toBe('https://all.test');
  });

  it('leaves out what uv does not know, what is empty, and what is of another command', () => {
    const text = "global.no-color='true'\nglobal.index-url=''\ndownload.index-url='https://other.test'\n";
    expect(fromPip(text)).toEqual({});
  });
});
