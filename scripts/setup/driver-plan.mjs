// Decides how this machine gets a Vulkan driver. It only plans: all functions depend only on their arguments.
import { parseAptSources, parseOsRelease } from './apt-sources.mjs';

// Another apt may be running, for example the daily upgrade: wait for it instead of failing at once.
const APT = 'apt-get -o DPkg::Lock::Timeout=120';
const INSTALL = 'install -y --no-install-recommends';
const PACKAGE = 'mesa-vulkan-drivers';

const DEBIAN_12 = ['bookworm', 'bookworm-updates', 'bookworm-security'];
const DEBIAN_12_DEFAULT = [
  'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main',
  'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-updates main',
  'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security bookworm-security main',
];

/**
 * @typedef {object} Machine
 * @property {string} platform as in `process.platform`
 * @property {string} osRelease the text of /etc/os-release; empty if there is none
 * @property {boolean} isRoot
 * @property {{ path: string, text: string }[]} aptSources the files with apt's sources
 * @property {string} workDir a folder that the set-up creates for the commands and removes afterwards
 */

/**
 * @typedef {object} DriverPlan
 * @property {boolean} canRun whether the set-up may run the commands itself
 * @property {string} explanation
 * @property {string[]} commands shell lines that the set-up runs, or asks the user to run
 * @property {string} temporarySources contents of `workDir`/apt/sources.list for the commands; empty if they do not use it
 */

/**
 * Plans the installation of a driver.
 * @param {Machine} machine
 * @returns {DriverPlan}
 */
export function planDriverInstall(machine) {
  if (machine.platform === 'darwin') {
    return advice(
      'On macOS Dawn uses Metal, which is part of the system; a virtual machine must offer a Metal device.',
    );
  }
  if (machine.platform === 'win32') {
    return advice('On Windows Dawn uses Direct3D 12: install the current driver of the graphics card.');
  }
  if (machine.platform !== 'linux') {
    return advice(`The webgpu package has no binary for ${machine.platform}: use Linux, macOS or Windows.`);
  }
  const os = parseOsRelease(machine.osRelease);
  if (os.id === 'debian') return planDebian(machine, os);
  if (os.id === 'ubuntu') return planUbuntu(machine, os);
  return planOtherLinux(os);
}

function planDebian(machine, os) {
  // Testing and unstable have no number: they are newer than any release.
  const version = os.versionId === '' ? Number.POSITIVE_INFINITY : Number(os.versionId);
  if (version >= 13) return planApt(machine, `${os.name} has a Mesa that Dawn accepts.`);
  if (version < 12) return advice(`${os.name} is too old for Dawn and its Mesa driver: use Debian 12 or newer.`);
  return planDebian12(machine);
}

/** Debian 12 itself has Mesa 22.3, which Dawn refuses (no dynamic indexing of uniform arrays); its backports have 25.0. */
function planDebian12(machine) {
  const why = 'Dawn refuses the Mesa 22.3 of Debian 12, but bookworm-backports has a newer one.';
  const target = `-t bookworm-backports ${PACKAGE}`;
  const sources = parseAptSources(machine.aptSources).filter(isDebianArchive);
  if (sources.some(({ suites }) => suites.includes('bookworm-backports'))) return planApt(machine, why, target);

  const lines = sources.flatMap(toOneLineSources);
  const known = lines.some((line) => line.includes(' bookworm ')) ? lines : DEBIAN_12_DEFAULT;
  const backports = known.find((line) => line.includes(' bookworm ')).replace(' bookworm ', ' bookworm-backports ');
  if (!machine.isRoot) {
    const plan = planApt(machine, why, target);
    const add = `echo '${backports}' | sudo tee /etc/apt/sources.list.d/bookworm-backports.list`;
    return { ...plan, commands: [add, ...plan.commands] };
  }

  // Separate sources, package lists and cache, so that a later `apt-get upgrade` of the machine does not use backports.
  const apt = [
    APT,
    `-o Dir::Etc::SourceList=${quote(`${machine.workDir}/apt/sources.list`)}`,
    '-o Dir::Etc::SourceParts=/dev/null',
    `-o Dir::State::Lists=${quote(`${machine.workDir}/apt/lists`)}`,
    `-o Dir::Cache=${quote(`${machine.workDir}/apt/cache`)}`,
  ].join(' ');
  return {
    canRun: true,
    explanation: `${why} apt reads it from a temporary list: the sources in /etc/apt stay as they are.`,
    commands: [`${apt} update`, `${apt} ${INSTALL} ${target}`],
    temporarySources: [...known, backports, ''].join('\n'),
  };
}

function planUbuntu(machine, os) {
  if (Number(os.versionId) < 22.04) return advice(`${os.name} is too old for Dawn: use Ubuntu 22.04 or newer.`);
  return planApt(machine, `${os.name} has a Mesa that Dawn accepts.`);
}

function planApt({ isRoot }, why, target = PACKAGE) {
  const prefix = isRoot ? '' : 'sudo ';
  return {
    canRun: isRoot,
    explanation: isRoot ? why : `${why} Installing it needs root.`,
    commands: [`${prefix}${APT} update`, `${prefix}${APT} ${INSTALL} ${target}`],
    temporarySources: '',
  };
}

/** Returns advice with the distribution's package. The set-up does not run these commands, because it is not tested there. */
function planOtherLinux(os) {
  const family = [os.id, ...os.idLike];
  if (family.includes('alpine')) {
    return advice(`The webgpu package is built for glibc and ${os.name} has musl: use a Debian or Ubuntu image.`);
  }
  const commands = {
    fedora: 'sudo dnf install mesa-vulkan-drivers',
    arch: 'sudo pacman -S vulkan-swrast',
    suse: 'sudo zypper install libvulkan1 libvulkan_lvp',
    ubuntu: `sudo apt-get install ${PACKAGE}`,
    debian: `sudo apt-get install ${PACKAGE}`,
  };
  const known = family.find((id) => Object.hasOwn(commands, id));
  const need = `${os.name} needs a Vulkan driver: the graphics card's own, or Mesa's lavapipe 23.2 or newer, which needs no card.`;
  return known ? advice(need, [commands[known]]) : advice(`${need} Install your distribution's package for either.`);
}

function advice(explanation, commands = []) {
  return { canRun: false, explanation, commands, temporarySources: '' };
}

/** Whether a source is Debian's archive. Other archives also use the names of Debian's releases, but are signed with other keys. */
function isDebianArchive({ uris, components, signedBy }) {
  const signedByDebian = signedBy === '' || /^\/\S*debian-archive\S*$/.test(signedBy);
  return signedByDebian && components.includes('main') && uris.some((uri) => /debian/i.test(uri));
}

/** Returns a line for every archive and suite of Debian 12 in a source; only `main`, which has everything that Mesa needs. */
function toOneLineSources({ uris, suites, signedBy }) {
  const options = signedBy === '' ? '' : `[signed-by=${signedBy}] `;
  return suites
    .filter((suite) => DEBIAN_12.includes(suite))
    .flatMap((suite) => uris.map((uri) => `deb ${options}${uri} ${suite} main`));
}

function quote(path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
