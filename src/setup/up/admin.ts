import { randomBytes } from 'node:crypto';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Plan } from '../../plan/types.ts';
import { keepSecrets } from '../../tune/secrets/secrets-file.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** Bytes of the password: 16 characters that can be typed. */
const PASSWORD_BYTES = 12;

/** The first account. Open WebUI makes it when it starts on a database without users (open_webui/main.py). */
export function adminStep(setup: Setup): Step {
  const { adminEmail } = setup.given;
  return {
    name: 'administrator',
    check: async () => {
      if (!setup.hasOpenWebui) return undefined;
      if (hasAdmin((await setup.tuned()).plan)) {
        return `as set: WEBUI_ADMIN_EMAIL and WEBUI_ADMIN_PASSWORD`;
      }
      return adminEmail === undefined ? 'whoever makes the first account' : undefined;
    },
    describe: () =>
      adminEmail === undefined
        ? 'whoever makes the first account'
        : `draw a password for ${adminEmail}, and keep it with the secrets (0600)`,
    run: async () => {
      if (adminEmail === undefined) return 'whoever makes the first account';
      const { plan } = await setup.tuned();
      const { secretsFile } = plan.places;
      await keepSecrets(secretsFile, {
        settings: new Map([['WEBUI_ADMIN_EMAIL', checkEmail(adminEmail)]]),
        once: new Map([['WEBUI_ADMIN_PASSWORD', randomBytes(PASSWORD_BYTES).toString('base64url')]]),
      });
      setup.changed();
      return `${adminEmail}; the password is WEBUI_ADMIN_PASSWORD in ${secretsFile}`;
    },
  };
}

/** Whether the settings name the first account already. */
export function hasAdmin({ settings }: Plan): boolean {
  return ['WEBUI_ADMIN_EMAIL', 'WEBUI_ADMIN_PASSWORD'].every((name) =>
    settings.some(({ key }) => key === name),
  );
}

/** Throws TuneError for what Open WebUI would not take (open_webui/utils/misc.py, validate_email_format). */
export function checkEmail(text: string): string {
  if (/^[^@\s]+@[^@\s]+$/.test(text) && (text.endsWith('@localhost') || /@[^@]+\.[^@]+$/.test(text)))
    return text;
  throw new TuneError(`${JSON.stringify(text)} is not an e-mail address`, EXIT.usage, [
    'write it as --admin-email you@example.org',
  ]);
}
