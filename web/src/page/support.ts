/** Says what a page needs for WebGPU and does not have. @param message what was tried and failed */
export function showSupport(root: HTMLElement, parts: readonly string[], message: string): void {
  const list = document.createElement('ul');
  for (const part of parts) {
    const item = document.createElement('li');
    item.textContent = part;
    list.append(item);
  }
  const said = document.createElement('p');
  said.textContent = message;
  root.querySelector('.panel')!.replaceChildren(list, said);
  root.hidden = false;
}
