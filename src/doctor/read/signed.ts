import { createHmac } from 'node:crypto';
import { ECHO } from '../../runtime/contract.ts';

/** Headers that prove to a worker that whoever asks has its WEBUI_SECRET_KEY, and that the question is new. */
export function signed(question: 'echo' | 'embed' | 'read', key = ''): Record<string, string> {
  const seconds = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', key).update(`${question} ${seconds}`).digest('hex');
  return { [ECHO.header]: `${seconds}.${signature}` };
}
