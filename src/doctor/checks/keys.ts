import type { Setting } from '../../facts/types.ts';
import { check, error, note, ok } from '../check.ts';

/** Variables that default to WEBUI_SECRET_KEY, and what each is for. */
const TOKEN_KEYS = {
  OAUTH_CLIENT_INFO_ENCRYPTION_KEY: 'utils/oauth.py',
  OAUTH_SESSION_TOKEN_ENCRYPTION_KEY: 'models/oauth_sessions.py',
} as const;

/** Open WebUI takes a text of this length as the key itself, and derives a key from any other. */
const FERNET_LENGTH = 44;
/** 32 bytes in base64, in either alphabet (cryptography/fernet.py). */
const FERNET_KEY = /^[\w+/-]{43}=$/;

const MEND = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"';

export const keyChecks = [
  check({
    id: 'settings.token-keys',
    title: 'The keys for stored tokens are valid',
    why: 'Open WebUI takes a key of 44 characters as it is: if it is not valid, no worker starts; an empty one is known to everybody',
    source: 'open_webui/utils/oauth.py, open_webui/models/oauth_sessions.py, open_webui/utils/mfa.py: Fernet',
    needs: ['installation'],
    run: ({ installation: { settings } }) => {
      const secret = settings.get('WEBUI_SECRET_KEY');
      const findings = Object.entries(TOKEN_KEYS).flatMap(([name, file]) => {
        const own = settings.get(name);
        const problem = problemOf(own ?? (secret?.value ? secret : undefined));
        return problem
          ? [
              error(
                `${own ? name : 'WEBUI_SECRET_KEY'} ${problem} (open_webui/${file})`,
                `${name}=$(${MEND})`,
              ),
            ]
          : [];
      });
      const mfa = settings.get('MFA_ENCRYPTION_KEY');
      if (mfa?.value && !FERNET_KEY.test(mfa.value)) {
        findings.push(
          error(
            'MFA_ENCRYPTION_KEY is not 32 bytes in base64: the start ends once multi-factor sign-in is on',
            `MFA_ENCRYPTION_KEY=$(${MEND})`,
          ),
        );
      }
      return findings.length > 0 ? findings : ok('they are');
    },
  }),
  check({
    id: 'settings.oauth',
    title: 'A change of the sign-in by OAuth reaches all workers',
    why: 'oauth.* is not kept in the database by default: a change in the administration works in 1 of N requests, until a restart',
    source: 'open_webui/models/config.py, upsert; open_webui/config.py, ENABLE_OAUTH_PERSISTENT_CONFIG',
    needs: ['effective', 'workers'],
    run: ({ effective, workers: { count } }) => {
      if (count === 1) return ok('there is one worker');
      return effective.get('ENABLE_OAUTH_PERSISTENT_CONFIG')?.toLowerCase() === 'true'
        ? ok('its settings live in the database')
        : note(
            'its settings are those of the environment; a change in the administration stays in the worker that served it',
            'to change them there: ENABLE_OAUTH_PERSISTENT_CONFIG=True; else change them in your settings, and pm2 restart open-webui-preload',
          );
    },
  }),
];

/** Undefined: Open WebUI can use it, or reports itself that there is none. */
function problemOf(key: Setting | undefined): string | undefined {
  if (key?.value === '') return 'is empty';
  if (key?.value.length !== FERNET_LENGTH || FERNET_KEY.test(key.value)) return undefined;
  return `has ${FERNET_LENGTH} characters, and is not 32 bytes in base64: the start ends with a ValueError`;
}
