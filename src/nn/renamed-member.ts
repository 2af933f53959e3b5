/**
 * Name under which an object defines a renamed member. A class written for an earlier version defines only the old name, and its
 * definition must replace the inherited one. Therefore, the definition nearest to the object decides.
 */
export function memberName<New extends PropertyKey, Old extends PropertyKey>(
  object: object,
  name: New,
  oldName: Old,
): New | Old {
  for (let owner: object | null = object; owner !== null; owner = Object.getPrototypeOf(owner)) {
    if (Object.hasOwn(owner, name)) return name;
    if (Object.hasOwn(owner, oldName)) return oldName;
  }
  return name;
}
