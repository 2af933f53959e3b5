/** Shows a message above the page until it is closed. The same message is moved to the end of the list instead of shown twice. */
export function showNotice(message: string): void {
  const list = document.getElementById('notices')!;
  const item = document.createElement('li');
  item.className = 'notice';
  const text = document.createElement('span');
  text.textContent = message;
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = 'Close';
  close.addEventListener('click', () => item.remove());
  item.append(text, close);
  for (const other of list.children) if (other.firstElementChild?.textContent === message) other.remove();
  list.append(item);
}
