import { check, error, ok, warning } from '../check.ts';
import { publicUrl } from '../read/public-url.ts';

export const originChecks = [
  check({
    id: 'settings.origins',
    title: 'Browsers may connect from the public address',
    why: 'without the origin, every WebSocket is refused ("is not an accepted origin") and answers do not stream',
    source: 'open_webui/config.py, CORS_ALLOW_ORIGIN; open-webui/open-webui#5075',
    needs: ['effective', 'database'],
    run: ({ effective, database }) => {
      const text = effective.get('CORS_ALLOW_ORIGIN') || '*';
      if (text === '*') return ok('from anywhere (CORS_ALLOW_ORIGIN is *)');
      const origins = text.split(';').map((origin) => origin.trim());
      const wrong = origins.find((origin) => !/^https?:\/\/[^/]/.test(origin));
      if (wrong !== undefined) {
        return error(
          `${JSON.stringify(wrong)} in CORS_ALLOW_ORIGIN is no origin: the start ends with a ValueError`,
          'CORS_ALLOW_ORIGIN=https://chat.example.org;http://localhost:8080',
        );
      }
      const origin = publicUrl(effective, database)?.origin;
      if (origin === undefined || origins.includes(origin)) return ok(origins.join(', '));
      return error(
        `WEBUI_URL is ${origin}, and CORS_ALLOW_ORIGIN has ${origins.join(', ')}`,
        `CORS_ALLOW_ORIGIN=${[...origins, origin].join(';')}`,
      );
    },
  }),
  check({
    id: 'settings.cookies',
    title: 'Cookies are sent over https only, if the page is on https',
    why: 'a cookie that is not "Secure" is also sent unencrypted, and some sign-ins lose it on the way back',
    source: 'open_webui/env.py, WEBUI_SESSION_COOKIE_SECURE; open-webui/open-webui#11606',
    needs: ['effective', 'database'],
    run: ({ effective, database }) => {
      const origin = publicUrl(effective, database)?.origin;
      if (!origin?.startsWith('https:')) return ok('no https address of the page is set (WEBUI_URL)');
      return effective.get('WEBUI_SESSION_COOKIE_SECURE')?.toLowerCase() === 'true'
        ? ok('WEBUI_SESSION_COOKIE_SECURE is on')
        : warning(
            `the page is at ${origin}, and WEBUI_SESSION_COOKIE_SECURE is off`,
            'WEBUI_SESSION_COOKIE_SECURE=true and WEBUI_AUTH_COOKIE_SECURE=true',
          );
    },
  }),
];
