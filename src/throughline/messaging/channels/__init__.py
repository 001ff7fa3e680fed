"""One file for each way out. What a provider answers becomes one of six verdicts; a doubt is `unknown`."""
