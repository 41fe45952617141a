import { describe, expect, it } from 'vitest';
import { quoteForShell } from '../../../src/base/io/shell.ts';
import type { Probe } from '../../../src/facts/openwebui/probe.ts';
import { checkVersions, missingPackage } from '../../../src/facts/openwebui/versions.ts';

describe('versions', () => {
  const probe = (version: string, supported = true): Probe => ({
    python: '3.11.7',
    executable: '/v/bin/python',
    package: {
      version,
      folder: '/v/open_webui',
      requires_python: '<3.13.0a1,>=3.11',
      python_supported: supported,
      drivers: {},
      torch: 'none',
    },
    variables: [],
    unmet: [],
    data: {},
    stored: null,
  });

  it('takes 0.12 without a word', () => expect(checkVersions('/p', probe('0.12.4'))).toEqual([]));

  it.each(['0.13.0', '1.0.0'])('warns of %s', (version) =>
    expect(checkVersions('/p', probe(version))).toEqual([expect.stringContaining(version)]),
  );

  it.each(['0.11.9', '0.6.0'])('refuses %s with the command that mends it', (version) => {
    expect(() => checkVersions('/p', probe(version))).toThrow(
      expect.objectContaining({ mend: ["/p -m pip install 'open-webui[postgres]>=0.12,<0.13'"] }),
    );
  });

  it('refuses a Python that the package does not support', () =>
    expect(() => checkVersions('/p', probe('0.12.4', false))).toThrow('needs Python <3.13.0a1,>=3.11'));

  it.each([
    ['3.12.1', "/p -m pip install 'open-webui[postgres]'"],
    ['3.13.0', 'python3.11 -m venv .venv'],
  ])('says how to install it for Python %s', (python, command) => {
    const { mend } = missingPackage('/p', { ...probe('0.12.4'), package: null, python });
    expect(mend[0]).toBe(command);
  });

  it('quotes paths for the shell', () => {
    expect(quoteForShell('/opt/venv/bin/python3.11')).toBe('/opt/venv/bin/python3.11');
    expect(quoteForShell("/it's here/python")).toBe("'/it'\\''s here/python'");
  });
});
