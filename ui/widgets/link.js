// Copies the address of the page, which says all that is set on it; where that is not allowed, shows it to be copied.
const SAID = 1500; // milliseconds

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector(".link button");
  button.onclick = async () => {
    const link = new URL(location.href);
    for (const [name, value] of Object.entries(data ?? {})) link.searchParams.set(name, value);
    try {
      await navigator.clipboard.writeText(link.href);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy link"), SAID);
    } catch {
      prompt("The link of this page:", link.href);
    }
  };
}
