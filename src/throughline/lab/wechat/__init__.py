"""WeChat Pay APIv3 as a merchant meets it: signed native orders, encrypted notifications, faults on command."""
