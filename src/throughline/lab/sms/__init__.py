"""An SMS provider as its clients meet it: Alibaba Cloud's Dysmsapi 2017-05-25, receipts, faults on command."""
