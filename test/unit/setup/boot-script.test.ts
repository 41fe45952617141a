import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBootScript } from '../../../src/setup/pm2/boot-script.ts';
import { explainStartup } from '../../../src/setup/up/boot.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the boot script', () => {
  const unit = (home: string) => `Environment=PM2_HOME=${home}\nPIDFile=${home}/pm2.pid\n`;
  const units = 'etc/systemd/system';

  it('is the one of this PM2_HOME, and counts once it is enabled', () => {
    const files = {
      [`${units}/pm2-a.service`]: unit('/h/a/.pm2'),
      [`${units}/pm2-b.service`]: unit('/h/b/.pm2'),
    };
    const found = (root: string) => findBootScript('/h/b/.pm2', '/h/b', root);
    const written = temporaryFolder(files);
    expect(found(written)).toMatchObject({ path: join(written, units, 'pm2-b.service'), isEnabled: false });
    const enabled = temporaryFolder({ ...files, [`${units}/multi-user.target.wants/pm2-b.service`]: '' });
    expect(found(enabled)?.isEnabled).toBe(true);
    expect(findBootScript('/h/b', '/h', written)).toBeUndefined();
  });

  it('is what systemctl edit has made of it', () => {
    const written = temporaryFolder({
      [`${units}/pm2-b.service`]: unit('/h/b/.pm2'),
      [`${units}/pm2-b.service.d/override.conf`]: '[Unit]\nAfter=postgresql.service\n',
      [`${units}/pm2-b.service.d/other.txt`]: 'no',
    });
    const text = findBootScript('/h/b/.pm2', '/h/b', written)?.text;
    expect(text).toMatch(/^After=postgresql\.service$/m);
    expect(text).not.toContain('no');
  });

  it('is root’s to write: the command is told, for another PM2_HOME too', () => {
    const printed = [
      '[PM2] Init System found: systemd',
      '[PM2] To setup the Startup Script, copy/paste the following command:',
      'sudo env PATH=$PATH:/usr/bin /d/pm2/bin/pm2 startup systemd -u me --hp /h/me',
      '',
    ].join('\n');
    expect(explainStartup(printed, '/h/me/.pm2', '/h/me').mend[0]).toBe(
      'sudo env PATH=$PATH:/usr/bin /d/pm2/bin/pm2 startup systemd -u me --hp /h/me',
    );
    expect(explainStartup(printed, '/srv/pm2', '/h/me').mend[0]).toBe(
      'sudo env PM2_HOME=/srv/pm2 PATH=$PATH:/usr/bin /d/pm2/bin/pm2 startup systemd -u me',
    );
    expect(explainStartup('Init system not found', '/h/me/.pm2', '/h/me').message).toContain('not found');
  });
});
