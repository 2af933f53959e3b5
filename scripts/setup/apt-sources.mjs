/**
 * Returns the fields of /etc/os-release that determine the packages; missing fields are empty.
 * @param {string} text
 */
export function parseOsRelease(text) {
  const fields = Object.fromEntries(
    [...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, key, value]) => [
      key,
      value.trim().replace(/^(["'])(.*)\1$/, '$2'),
    ]),
  );
  return {
    id: fields.ID ?? '',
    idLike: (fields.ID_LIKE ?? '').split(' ').filter(Boolean),
    versionId: fields.VERSION_ID ?? '',
    name: fields.PRETTY_NAME || fields.NAME || fields.ID || 'this system',
  };
}

/**
 * @typedef {object} AptSource
 * @property {string[]} uris
 * @property {string[]} suites
 * @property {string[]} components
 * @property {string} signedBy the path of the keyring (or, in deb822 files, the key itself); empty if there is none
 */

/**
 * Returns all active binary sources of apt, in apt's order.
 * @param {{ path: string, text: string }[]} files
 * @returns {AptSource[]}
 */
export function parseAptSources(files) {
  return files.flatMap(({ path, text }) => (path.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)));
}

/** Parses the format of sources.list: `deb [signed-by=/path] uri suite component...` */
function parseOneLine(text) {
  return [...text.matchAll(/^[ \t]*deb[ \t]+(?:\[([^\]]*)\][ \t]+)?([^\s#]+)[ \t]+([^\s#]+)([^#\n]*)/gm)].map(
    ([, options = '', uri, suite, components]) => ({
      uris: [uri],
      suites: [suite],
      components: splitWords(components),
      signedBy: /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? '',
    }),
  );
}

/** Parses the format of *.sources: paragraphs of `Key: value`; an indented line continues the value above it. */
function parseDeb822(text) {
  return text
    .replace(/^#.*\n?/gm, '')
    .split(/\n(?:[ \t]*\n)+/)
    .map((paragraph) =>
      Object.fromEntries(
        [...paragraph.matchAll(/^([A-Za-z-]+):(.*(?:\n[ \t].*)*)/gm)].map(([, key, value]) => [
          key.toLowerCase(),
          value.trim(),
        ]),
      ),
    )
    .filter((fields) => splitWords(fields.types).includes('deb') && fields.enabled?.toLowerCase() !== 'no')
    .map((fields) => ({
      uris: splitWords(fields.uris),
      suites: splitWords(fields.suites),
      components: splitWords(fields.components),
      signedBy: fields['signed-by'] ?? '',
    }));
}

function splitWords(text = '') {
  return text.split(/\s+/).filter(Boolean);
}
