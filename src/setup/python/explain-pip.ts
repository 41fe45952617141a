import { EXIT, TuneError } from '../../base/errors.ts';
import { tailOf } from '../../base/io/run.ts';

/* What pip prints when it fails: each pattern was seen with pip 23.2 and 26.3. */

/**
 * pip does not reach its index. It ends with "No matching distribution" then, or, from 25.1 on, with
 * "incomplete-download" when it has resumed a download often enough.
 */
const NETWORK =
  /Temporary failure in name resolution|Name or service not known|NewConnectionError|ConnectionResetError|Connection (?:refused|broken|aborted)|Read timed out|ConnectTimeout|IncompleteRead|Network is unreachable|ProxyError|getaddrinfo|incomplete-download/i;
const NO_ROOM = /No space left on device|Errno 28/i;
const NO_PACKAGE = /No matching distribution found for (\S+)/;
const WRONG_HASH = /DO NOT MATCH THE HASHES/;
const BROKEN_WHEEL = /Wheel '([^']+)' located at .+ is invalid|has an invalid wheel|BadZipFile/;
const REFUSED_FILE = /HTTP error (\d{3}) while getting (\S+)/;
const PROXY_PASSWORD = /407 Proxy Authentication Required|\b407 Client Error/;
const UNTRUSTED = /CERTIFICATE_VERIFY_FAILED|problem confirming the ssl certificate/i;
const OTHER_PYTHON = /Package '([^']+)' requires a different Python: (\S+) not in '([^']+)'/;
const CONFLICT = /ResolutionImpossible/;
/** Of a verbose pip, about a page of an index. */
const NOT_FETCHED = /Could not fetch URL (\S+): (?:connection error: )?(.+?)(?: - skipping)?$/gm;

const AGAIN = 'then run it again: what was downloaded is kept';

/** Nothing that pip may ask offers the package. */
export class NoSuchPackage extends TuneError {}

/** The hash shows that the download is not what was asked for. Nothing of it is installed. */
export class WrongPackage extends TuneError {}

/** Whether pip got a file that is not the index's. Its cache may be wrong. */
export function isBrokenFile(output: string): boolean {
  return BROKEN_WHEEL.test(output) || WRONG_HASH.test(output);
}

/** The package of which no index offers any version. pip does not say why. */
export function unseenPackage(output: string): string | undefined {
  return output.includes('(from versions: none)') ? NO_PACKAGE.exec(output)?.[1] : undefined;
}

export interface PipFailure {
  /** All that pip printed. */
  output: string;
  /** File that has it too. */
  log: string;
  /** What a verbose `pip index versions` printed about `unseenPackage(output)`. */
  inquiry?: string | undefined;
  /** Folder that all wheels come from, of `--wheels`. */
  wheels?: string | undefined;
}

/** What went wrong, and what to do. */
export function explainPip({ output, log, inquiry = '', wheels }: PipFailure): TuneError {
  const fail = (message: string, ...mend: string[]) =>
    new TuneError(message, EXIT.service, [...mend, `its log: ${log}`]);
  const said = output + inquiry;
  if (NO_ROOM.test(output)) {
    return new TuneError('pip found no room on the disk', EXIT.output, [
      `make room (also in the folder for temporary files, TMPDIR); ${AGAIN}`,
      `its log: ${log}`,
    ]);
  }
  if (WRONG_HASH.test(output)) {
    return new WrongPackage(
      'pip got a package that is not the tested one, or not the one that the index names: its hash differs',
      EXIT.service,
      [
        'look at where pip’s packages come from (pip config list); nothing of it was installed',
        `its log: ${log}`,
      ],
    );
  }
  const broken = BROKEN_WHEEL.exec(output);
  if (broken) {
    const name = broken[1] === undefined ? '' : ` of ${broken[1]}`;
    return wheels === undefined
      ? fail(
          `the index served a broken wheel${name}`,
          `look at the index or mirror (pip config list), or wait until it is mended; ${AGAIN}`,
        )
      : fail(`${wheels} has a broken wheel${name}`, `webui-tune fetch ${wheels} fetches it again`);
  }
  const refused = REFUSED_FILE.exec(output);
  if (refused) {
    return fail(
      `the index offers ${refused[2]}, but answers ${refused[1]} when pip asks for it`,
      `look at the index or mirror (pip config list); ${AGAIN}`,
    );
  }
  if (PROXY_PASSWORD.test(said)) {
    return fail(
      'the proxy asks for a password',
      `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT names it (pip config set global.proxy … does so for pip alone); ${AGAIN}`,
    );
  }
  if (UNTRUSTED.test(said)) {
    return fail(
      'pip does not trust the TLS certificate of its index',
      `PIP_CERT=/path/to/ca.pem, or pip config set global.cert /path/to/ca.pem, names the authority that signed it (a company’s proxy often has one of its own); ${AGAIN}`,
    );
  }
  if (NETWORK.test(said)) {
    return fail(
      'pip did not reach its package index, or lost it on the way',
      `look at the network, the proxy (HTTPS_PROXY) or pip’s index (pip config list); ${AGAIN}`,
      ...(output.includes('download.pytorch.org')
        ? [
            'torch comes from download.pytorch.org: --torch-index URL names a mirror of it, --torch-index default pip’s own index',
          ]
        : []),
      'without any network: webui-tune fetch DIR on another machine, then webui-tune up --wheels DIR',
    );
  }
  const other = OTHER_PYTHON.exec(output);
  if (other) {
    return fail(
      `${other[1]} needs Python ${other[3]}, and this is ${other[2]}`,
      'webui-tune up --python /path/to/python names another one',
    );
  }
  if (CONFLICT.test(output)) {
    return fail(
      `no set of versions fits all requirements:\n${tailOf(output)}`,
      'a constraint of pip’s may forbid it (pip config list)',
    );
  }
  return explainMissing(said, log, wheels) ?? fail(`pip failed:\n${tailOf(withoutProgress(output))}`);
}

function explainMissing(said: string, log: string, wheels: string | undefined): TuneError | undefined {
  const missing = NO_PACKAGE.exec(said)?.[1];
  if (missing === undefined) return undefined;
  const fail = (message: string, mend: string) =>
    new NoSuchPackage(message, EXIT.service, [mend, `its log: ${log}`]);
  const forThis = `for this system (${process.platform}, ${process.arch}) and Python`;
  if (wheels !== undefined) {
    return fail(
      `${wheels} has no ${missing} ${forThis}`,
      `webui-tune fetch ${wheels}, where there is a network`,
    );
  }
  const answers = [...said.matchAll(NOT_FETCHED)].map(([, url, reason]) => `${url}: ${reason}`);
  if (answers.length > 0) {
    return fail(
      `no index that pip asks has ${missing}:\n${[...new Set(answers)].join('\n')}`,
      `look at pip’s index or mirror (pip config list); ${AGAIN}`,
    );
  }
  return fail(
    `there is no ${missing} ${forThis}`,
    'where a mirror or a proxy answers with a page of its own, pip finds nothing in it: look at pip config list',
  );
}

function withoutProgress(output: string): string {
  return output.replaceAll(/^Progress \d+ of \d+\n/gm, '');
}
