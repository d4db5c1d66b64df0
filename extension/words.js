// The words of a page, in the language of the browser.

export const word = (name) => chrome.i18n.getMessage(name);

export function translate() {
  document.documentElement.lang = chrome.i18n.getUILanguage();
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
}
