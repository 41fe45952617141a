import { describe, expect, it } from 'vitest';
import { explainPip, isBrokenFile, unseenPackage } from '../../../src/setup/python/explain-pip.ts';

const LOG = '/pip.log';
const NONE =
  'ERROR: Could not find a version that satisfies the requirement tiny (from versions: none)\nERROR: No matching distribution found for tiny\n';

/** As pip 26.3 prints it, where nothing else is said. */
const OUTPUTS = {
  cut: "Collecting tiny\n  Downloading tiny-1.0-py3-none-any.whl (354 bytes)\nERROR: Wheel 'tiny' located at /tmp/pip-unpack-laq94rlp/tiny-1.0-py3-none-any.whl is invalid.\n",
  crc: 'ERROR: Exception:\nTraceback (most recent call last):\n    raise BadZipFile("Bad CRC-32 for file %r" % self.name)\nzipfile.BadZipFile: Bad CRC-32 for file \'tiny.py\'\n',
  gone: '  ERROR: HTTP error 404 while getting http://127.0.0.1:1/tiny-1.0-py3-none-any.whl (from http://127.0.0.1:1/tiny/)\nERROR: Could not install requirement tiny from http://127.0.0.1:1/tiny-1.0-py3-none-any.whl because of HTTP error 404 Client Error: Not Found\n',
  hash: 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated …\n',
  proxy: `WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'OSError('Tunnel connection failed: 407 Proxy Authentication Required')': /simple/tiny/\n${NONE}`,
  oldProxy: `WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))': /simple/tiny/\n${NONE}`,
  tls: `Could not fetch URL https://localhost:1/ok/tiny/: There was a problem confirming the ssl certificate: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006) - skipping\n${NONE}`,
  python: "ERROR: Package 'soupsieve' requires a different Python: 3.11.2 not in '>=3.11.5'\n",
  conflict:
    'ERROR: Cannot install torch==2.15.0 because these package versions have conflicting dependencies.\nERROR: ResolutionImpossible: for help visit https://pip.pypa.io/\n',
};

const MISSING_PAGE =
  'Could not fetch URL http://127.0.0.1:1/simple/tiny/: 404 Client Error: Not Found for url: http://127.0.0.1:1/simple/tiny/ - skipping\n';

describe('what pip says', () => {
  it.each([
    ['cut', 'the index served a broken wheel of tiny', 'the index or mirror'],
    ['crc', 'the index served a broken wheel', 'the index or mirror'],
    ['gone', 'offers http://127.0.0.1:1/tiny-1.0-py3-none-any.whl, but answers 404', 'the index or mirror'],
    ['hash', 'its hash differs', 'pip config list'],
    ['proxy', 'the proxy asks for a password', 'HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT'],
    ['oldProxy', 'the proxy asks for a password', 'HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT'],
    ['tls', 'does not trust the TLS certificate', 'PIP_CERT=/path/to/ca.pem'],
    ['python', 'soupsieve needs Python >=3.11.5, and this is 3.11.2', '--python'],
    ['conflict', 'torch==2.15.0', 'a constraint'],
  ] as const)('is explained: %s', (name, message, mend) => {
    const error = explainPip({ output: OUTPUTS[name], log: LOG });
    expect(error.message).toContain(message);
    expect(error.mend.join('\n')).toContain(mend);
    expect(error.mend.at(-1)).toBe(`its log: ${LOG}`);
  });

  it('names how the index answered, where only a second question tells', () => {
    expect(explainPip({ output: NONE, log: LOG, inquiry: MISSING_PAGE }).message).toBe(
      'no index that pip asks has tiny:\nhttp://127.0.0.1:1/simple/tiny/: 404 Client Error: Not Found for url: http://127.0.0.1:1/simple/tiny/',
    );
    const silent =
      'Could not fetch URL https://x/tiny/: connection error: NewConnectionError(…) - skipping\n';
    expect(explainPip({ output: NONE, log: LOG, inquiry: silent }).message).toContain('did not reach');
    const page = explainPip({ output: NONE, log: LOG, inquiry: '' });
    expect(page.message).toContain('there is no tiny for this system');
    expect(page.mend.join('\n')).toContain('a page of its own');
  });

  it('names the folder where that is all that pip may ask', () => {
    const wheels = '/stick';
    expect(explainPip({ output: NONE, log: LOG, wheels }).message).toContain('/stick has no tiny');
    expect(explainPip({ output: OUTPUTS.cut, log: LOG, wheels })).toMatchObject({
      message: '/stick has a broken wheel of tiny',
      mend: [expect.stringContaining('webui-tune fetch /stick'), expect.any(String)],
    });
  });

  it('tells a broken file from everything else', () => {
    const broken = Object.entries(OUTPUTS).filter(([, output]) => isBrokenFile(output));
    expect(broken.map(([name]) => name)).toEqual(['cut', 'crc', 'hash']);
    expect(unseenPackage(NONE)).toBe('tiny');
    expect(unseenPackage(OUTPUTS.cut)).toBeUndefined();
  });
});
