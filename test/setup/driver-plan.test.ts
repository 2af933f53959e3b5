import { describe, expect, test } from 'vitest';
import { type Machine, planDriverInstall } from '../../scripts/setup/driver-plan.mjs';

const APT = 'apt-get -o DPkg::Lock::Timeout=120';
const INSTALL = 'install -y --no-install-recommends';

const bookworm =
  'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n';
const oneLine = { path: '/etc/apt/sources.list', text: 'deb http://mirror.example/debian bookworm main\n' };

function plan(machine: Partial<Machine>) {
  return planDriverInstall({
    platform: 'linux',
    osRelease: bookworm,
    isRoot: true,
    aptSources: [oneLine],
    workDir: '/tmp/work',
    ...machine,
  });
}

describe('Debian 12', () => {
  test('as root: backports from the same mirror, through a temporary list', () => {
    const { canRun, commands, temporarySources } = plan({});
    expect(canRun).toBe(true);
    expect(temporarySources.trim().split('\n')).toEqual([
      'deb http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian bookworm-backports main',
    ]);
    expect(commands).toHaveLength(2);
    for (const command of commands) {
      expect(command).toContain(`${APT} -o Dir::Etc::SourceList=/tmp/work/apt/sources.list`);
      expect(command).toContain('-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=/tmp/work/apt/lists');
    }
    expect(commands[0]).toMatch(/ update$/);
    expect(commands[1]).toMatch(/ install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers$/);
  });

  test('deb822 sources: keyring, mirror and all suites are kept; other archives are not', () => {
    const debian = {
      path: '/etc/apt/sources.list.d/debian.sources',
      text: `# made by the installer
Types: deb deb-src
# http://old.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm bookworm-backports
Components: main
`,
    };
    const others = {
      path: '/etc/apt/sources.list.d/a.list',
      text: `deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://docker.example/linux/debian bookworm stable
deb [signed-by=/etc/apt/keyrings/forge.gpg] https://forge.example/debian/ bookworm main
deb http://plain.example/tools bookworm main
# deb http://comment.example/debian bookworm main
deb-src http://source.example/debian bookworm main
`,
    };
    const keyring = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';
    expect(
      plan({ aptSources: [others, debian] })
        .temporarySources.trim()
        .split('\n'),
    ).toEqual([
      `deb ${keyring} http://mirror.example/debian bookworm main`,
      `deb ${keyring} http://mirror.example/debian bookworm-updates main`,
      `deb ${keyring} http://mirror.example/debian-security bookworm-security main`,
      `deb ${keyring} http://mirror.example/debian bookworm-backports main`,
    ]);
  });

  test('without a usable source: Debian’s official archive', () => {
    expect(plan({ aptSources: [] }).temporarySources).toMatch(
      /^deb \[signed-by=\S+\] http:\/\/deb\.debian\.org\/debian bookworm-backports main$/m,
    );
  });

  test('a folder with spaces and quotes is quoted for the shell', () => {
    expect(plan({ workDir: "/tmp/it's here" }).commands[0]).toContain(
      "Dir::State::Lists='/tmp/it'\\''s here/apt/lists'",
    );
  });

  test('backports already configured: apt’s sources are used', () => {
    const text = `${oneLine.text}deb [ arch=amd64 ] http://mirror.example/debian bookworm-backports main contrib\n`;
    const { canRun, commands, temporarySources } = plan({ aptSources: [{ ...oneLine, text }] });
    expect(canRun).toBe(true);
    expect(temporarySources).toBe('');
    expect(commands).toEqual([`${APT} update`, `${APT} ${INSTALL} -t bookworm-backports mesa-vulkan-drivers`]);
  });

  test('not root: prints the same commands, and runs nothing', () => {
    const { canRun, commands, explanation } = plan({ isRoot: false });
    expect(canRun).toBe(false);
    expect(explanation).toContain('needs root');
    expect(commands).toEqual([
      "echo 'deb http://mirror.example/debian bookworm-backports main' | sudo tee /etc/apt/sources.list.d/bookworm-backports.list",
      `sudo ${APT} update`,
      `sudo ${APT} ${INSTALL} -t bookworm-backports mesa-vulkan-drivers`,
    ]);
  });
});

describe('systems whose Mesa is recent enough', () => {
  test.each([
    ['Debian 13', 'ID=debian\nVERSION_ID="13"\n'],
    ['Debian testing', 'ID=debian\nVERSION_CODENAME=forky\n'],
    ['Ubuntu 22.04', 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n'],
    ['Ubuntu 24.04', 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'],
  ])('%s', (_name, osRelease) => {
    const asRoot = plan({ osRelease });
    expect(asRoot.canRun).toBe(true);
    expect(asRoot.commands).toEqual([`${APT} update`, `${APT} ${INSTALL} mesa-vulkan-drivers`]);
    const asUser = plan({ osRelease, isRoot: false });
    expect(asUser.canRun).toBe(false);
    expect(asUser.commands).toEqual(asRoot.commands.map((command) => `sudo ${command}`));
  });
});

describe('systems on which set-up installs nothing, even as root', () => {
  test.each([
    ['Debian 11', 'ID=debian\nVERSION_ID="11"\n', /Debian 12 or newer/, []],
    ['Ubuntu 20.04', 'ID=ubuntu\nVERSION_ID="20.04"\n', /Ubuntu 22.04 or newer/, []],
    ['Fedora', 'ID=fedora\nVERSION_ID=43\n', /Vulkan driver/, ['sudo dnf install mesa-vulkan-drivers']],
    ['Rocky', 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', /Vulkan/, ['sudo dnf install mesa-vulkan-drivers']],
    ['Arch', 'ID=arch\n', /Vulkan driver/, ['sudo pacman -S vulkan-swrast']],
    ['Mint', 'ID=linuxmint\nID_LIKE="ubuntu debian"\n', /23\.2/, ['sudo apt-get install mesa-vulkan-drivers']],
    ['Alpine', 'ID=alpine\n', /glibc/, []],
    ['an unknown Linux', '', /distribution's package/, []],
  ])('%s', (_name, osRelease, explanation, commands) => {
    const given = plan({ osRelease });
    expect(given.canRun).toBe(false);
    expect(given.explanation).toMatch(explanation);
    expect(given.commands).toEqual(commands);
  });

  test.each([
    ['darwin', /Metal/],
    ['win32', /Direct3D 12/],
    ['freebsd', /no binary for freebsd/],
  ])('%s', (platform, explanation) => {
    const given = plan({ platform, osRelease: '' });
    expect(given).toMatchObject({ canRun: false, commands: [] });
    expect(given.explanation).toMatch(explanation);
  });
});
