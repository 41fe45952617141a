/** Which settings may be shown. Whatever is not clearly harmless goes into the private file, which costs nothing. */

/** Words of a name whose value is a secret. */
const SECRET_WORDS =
  /(?:^|_)(?:KEYS?|SK|SID|SECRETS?|PASSWORDS?|PASSWD|PASS|PWD|PASSPHRASE|TOKENS?|CREDENTIALS?|CRED|PRIVATE|AUTH|HEADERS|WEBHOOK|DSN|JWT|CERT|CONNECTIONS|CONFIGS|PIN)(?:_|$)/;

/** Names that contain such a word but are harmless. */
const HARMLESS_NAMES =
  /^(?:ENABLE|BYPASS)_|^(?:WEBUI_AUTH|REDIS_KEY_PREFIX|S3_KEY_PREFIX|CUSTOM_API_KEY_HEADER|CHROMA_CLIENT_AUTH_PROVIDER)$|_(?:LENGTH|TTL|EXPIRES_IN|EXPIRES_SECONDS|COOKIE_SAME_SITE|COOKIE_SECURE)$|_TRUSTED_\w+_HEADER$/;

/** Parameters of a URL that authenticate. */
const SECRET_PARAMETERS = /pass|pwd|token|key|secret|sig|auth|cred|code/i;

/** Values that people see every day: words, numbers, paths, addresses, and lists of them. */
const PLAIN_VALUE = /^[\w .,;:/@+*=%~#()[\]|?&!<>^-]*$/u;

/** Beginnings of well-known tokens: OpenAI, GitHub, Slack, AWS, a JSON Web Token, PEM. */
const KNOWN_TOKEN = /\b(?:sk-|gh[opsu]_|github_pat_|xox[abprs]-|AKIA|eyJ[\w-]+\.)|-----BEGIN /;

/** Letters and digits mixed, and as long as nothing that people type: drawn by a machine. */
const DRAWN_TOKEN = /(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[\w+-]{32,}/;

export function isSecret(name: string, value: string): boolean {
  if (value === '') return false;
  if (SECRET_WORDS.test(name) && !HARMLESS_NAMES.test(name)) return true;
  if (KNOWN_TOKEN.test(value) || DRAWN_TOKEN.test(value)) return true;
  return !PLAIN_VALUE.test(value) || hasCredentials(value);
}

/** User names that people type; what is longer, or mixed, may be a token that stands for user and password. */
const TYPED_USER = /^[a-z_][a-z0-9_.-]{0,31}$/i;

/**
 * A URL (anywhere in the value) with a password, with a user who looks like a token, or with a parameter that looks
 * like either. A password may hold anything that ends a URL elsewhere: slashes, white space, a hash.
 */
function hasCredentials(value: string): boolean {
  if (/:\/\/.*:.*@/s.test(value)) return true;
  for (const [, user = ''] of value.matchAll(/:\/\/([^/@]*)@/g)) if (!TYPED_USER.test(user)) return true;
  for (const [, query = ''] of value.matchAll(/\?([^\s#]*)/g)) {
    for (const name of new URLSearchParams(query).keys()) if (SECRET_PARAMETERS.test(name)) return true;
  }
  return false;
}
