/** The machine of the doctor: what the names of packages depend on. */
export interface Machine {
  /** As `process.platform`. */
  platform: string;
  /** The text of `/etc/os-release`; empty elsewhere than on Linux. */
  osRelease: string;
}

/** Returns what to do if no WebGPU adapter was found, one step per line. */
export function adapterAdvice({ platform, osRelease }: Machine): string[] {
  const setup =
    'Run `npx tilegrad setup`: it finds out what is missing, installs it where it can and says so where it cannot.';
  if (platform === 'darwin') {
    return [
      setup,
      'Every Mac since 2012 has Metal, which needs no driver. In a virtual machine, switch on its graphics acceleration.',
    ];
  }
  if (platform === 'win32') {
    return [setup, 'Windows 10 and newer have Direct3D 12. Install the current driver of your graphics card.'];
  }
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  const family = `${field('ID')} ${field('ID_LIKE')}`;
  const gpu =
    'With a graphics card, its Vulkan driver is faster: mesa-vulkan-drivers serves AMD and Intel, the driver of NVIDIA brings its own.';
  if (field('ID') === 'debian' && field('VERSION_ID') === '12') {
    return [
      setup,
      'By hand: add the line `deb http://deb.debian.org/debian bookworm-backports main` to a file in /etc/apt/sources.list.d, then ' +
        '`apt-get update && apt-get install -y -t bookworm-backports mesa-vulkan-drivers`. The Mesa of Debian 12 itself is too old for Dawn.',
      gpu,
    ];
  }
  if (/\b(debian|ubuntu)\b/.test(family)) {
    return [setup, 'By hand: `apt-get update && apt-get install -y mesa-vulkan-drivers`.', gpu];
  }
  return [
    setup,
    'Install the Vulkan drivers of Mesa with the package manager of this system (mesa-vulkan-drivers, vulkan-swrast or similar).',
    gpu,
  ];
}
