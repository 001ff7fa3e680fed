"""Sellers of number status: Alibaba Cloud's and Baidu's, answering from the carriers' books, late and coarsely."""
