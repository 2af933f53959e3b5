// Syntax and imports here stay old on purpose: this file must still load in the Node versions that it refuses.

/**
 * Says what is wrong with this Node, or null where it is new enough.
 * @param {string} version as in `process.versions.node`
 * @param {string} engines `engines.node` of package.json, of the form `>=20.19`
 * @returns {string | null}
 */
export function nodeProblem(version, engines) {
  const wanted = /^>=(\d+)\.(\d+)$/.exec(engines);
  if (!wanted) throw new Error(`engines.node in package.json is "${engines}"; set-up understands only ">=MAJOR.MINOR"`);
  const given = /^v?(\d+)\.(\d+)\./.exec(version);
  if (!given) throw new Error(`"${version}" is not a Node version`);
  const newerMajor = Number(given[1]) - Number(wanted[1]);
  const newerMinor = Number(given[2]) - Number(wanted[2]);
  if (newerMajor > 0 || (newerMajor === 0 && newerMinor >= 0)) return null;
  return `tilegrad needs Node ${wanted[1]}.${wanted[2]} or newer, and this is Node ${version}: install a newer one, see https://nodejs.org/en/download`;
}
