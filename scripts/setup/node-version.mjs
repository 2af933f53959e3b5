// Only old syntax and imports: this file must load in the Node versions that it refuses.

/**
 * Returns the problem with this Node version, or null if it is supported.
 * @param {string} version as in `process.versions.node`
 * @param {string} engines `engines.node` of package.json, of the form `^20.19.0 || >=22.12.0`
 * @returns {string | null}
 */
export function nodeProblem(version, engines) {
  const given = /^v?(\d+)\.(\d+)\./.exec(version);
  if (!given) throw new Error(`"${version}" is not a Node version`);
  const [major, minor] = given.slice(1).map(Number);
  const wanted = engines.split(' || ').map((term) => {
    const parts = /^(\^|>=)(\d+)\.(\d+)\.0$/.exec(term);
    if (!parts) {
      throw new Error(
        `engines.node in package.json is "${engines}"; the set-up supports only "^MAJOR.MINOR.0 || >=MAJOR.MINOR.0"`,
      );
    }
    return { within: parts[1] === '^', major: Number(parts[2]), minor: Number(parts[3]) };
  });
  const fits = wanted.some((one) => (major === one.major && minor >= one.minor) || (major > one.major && !one.within));
  if (fits) return null;
  const words = wanted.map((one) => `${one.major}.${one.minor} or newer${one.within ? ` of ${one.major}` : ''}`);
  return `tilegrad needs Node ${words.join(', or ')}, and this is Node ${version}: install a newer one, see https://nodejs.org/en/download`;
}
