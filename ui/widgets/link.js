// Copies the address of the page, which says all that is set on it; where that is not allowed, shows it to be copied.
const SAID = 1500; // milliseconds

export default function ({ parentElement }) {
  const button = parentElement.querySelector(".link button");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy link"), SAID);
    } catch {
      prompt("The link of this page:", location.href);
    }
  };
}
